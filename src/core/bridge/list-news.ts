/** News of changed lists for the clients of one endpoint: only of lists that they can have seen, once for what happened at once. */

import { kindsSeen, onVirtualChange } from '../catalog/endpoint-scope.ts'
import type { ListKind } from '../catalog/list-kind.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** As in `notifications/<noun>/list_changed`. */
export type Noun = 'tools' | 'prompts' | 'resources'

export interface NewsReader {
  /** Whether news of this server are to be told here; not given: all. */
  readonly hears?: (upstream: Upstream) => boolean
  tell(noun: Noun): void
  /** The virtual server here is another one, of other servers perhaps. */
  renew(): void
}

const NOUNS: Readonly<Record<ListKind, Noun>> = { tools: 'tools', prompts: 'prompts', resources: 'resources', templates: 'resources', skills: 'resources' }

/** Returns a function that stops it. */
export function onListNews(context: GatewayContext, endpoint: string, { hears = () => true, tell, renew }: NewsReader): () => void {
  let at: symbol | undefined
  let told = new Set<Noun>()
  const stopLists = context.watches.onListChange((upstream, kinds, together) => {
    const seen = kindsSeen(context, endpoint, upstream, kinds)
    if (seen.length === 0 || !hears(upstream)) return
    if (together === undefined || together !== at) told = new Set()
    at = together
    for (const noun of new Set(seen.map((kind) => NOUNS[kind]))) {
      if (told.has(noun)) continue
      told.add(noun)
      tell(noun)
    }
  })
  const stopVirtual = onVirtualChange(context, endpoint, () => {
    renew()
    for (const noun of new Set(Object.values(NOUNS))) tell(noun)
  })
  return () => {
    stopLists()
    stopVirtual()
  }
}
