/** What `portolan status` tells of servers besides their health: known from probes and from the lists that clients asked for. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Revision } from '../../protocol/revision.ts'
import type { EraProfile, Upstream } from '../upstream/upstream.ts'
import type { Catalog } from './catalog.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import { exposeNames } from './naming.ts'
import type { NameReport } from './naming.ts'

/** What a server says of itself in one era. */
export interface EraStatus {
  readonly revision: Revision
  /** `serverInfo`; empty where it gave none. */
  readonly serverInfo: JsonObject
  readonly capabilities: JsonObject
  /** At most 4,096 characters. */
  readonly instructions: string
}

export interface ServerNotes {
  /** Items of each list; null for one that nobody has asked for yet. */
  readonly counts: Readonly<Record<ListKind, number | null>>
  readonly legacy: EraStatus | null
  readonly modern: EraStatus | null
  /** Tools and prompts that are called otherwise on `/mcp`; at most 100. */
  readonly names: readonly Omit<NameReport, 'server'>[]
  /** Items that are left out of lists, and why; at most 100. */
  readonly listFaults: readonly string[]
}

const SHOWN_NOTES = 100
const SHOWN_INSTRUCTIONS = 4_096
const KINDS = Object.keys(LISTS) as readonly ListKind[]

/** In the order of `upstreams`. Nothing is asked of any server. */
export function serverNotes(catalog: Pick<Catalog, 'newest'>, upstreams: readonly Upstream[], separator: string): readonly { readonly upstream: Upstream; readonly notes: ServerNotes }[] {
  const reports = (['tools', 'prompts'] as const).flatMap((kind) => {
    const items = upstreams.flatMap((upstream) => (catalog.newest(upstream, kind)?.items ?? []).map(({ key }) => ({ server: upstream.name, name: key })))
    return exposeNames(items, separator).reports
  })
  return upstreams.map((upstream) => {
    const lists = KINDS.map((kind) => catalog.newest(upstream, kind))
    const [tools = null, prompts = null, resources = null, templates = null, skills = null] = lists.map((list) => list?.items.length ?? null)
    const { legacy, modern } = upstream.knownProfile() ?? {}
    const notes: ServerNotes = {
      counts: { tools, prompts, resources, templates, skills },
      legacy: eraStatus(legacy),
      modern: eraStatus(modern),
      names: reports.filter(({ server }) => server === upstream.name).slice(0, SHOWN_NOTES).map(({ server: _server, ...report }) => report),
      listFaults: lists.flatMap((list) => list?.faults ?? []).slice(0, SHOWN_NOTES),
    }
    return { upstream, notes }
  })
}

function eraStatus(profile: EraProfile | undefined): EraStatus | null {
  if (profile === undefined) return null
  const { revision, serverInfo, capabilities, instructions } = profile
  return { revision, serverInfo: readObject(serverInfo), capabilities: readObject(capabilities), instructions: instructions.slice(0, SHOWN_INSTRUCTIONS) }
}

function readObject(text: WireText): JsonObject {
  if (text === '') return {}
  const value: JsonValue = JSON.parse(Buffer.from(text, 'latin1').toString('utf8'))
  return isJsonObject(value) ? value : {}
}
