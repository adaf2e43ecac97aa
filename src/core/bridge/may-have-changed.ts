/**
 * What servers announced while nobody listened for a client cannot be told: all that it listens to is to be looked at again (bridge-rulings §4,
 * Subscriptions and Resumption).
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { slugAt } from '../catalog/endpoint-scope.ts'
import { markUri } from '../catalog/uri-mark.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { endpointProfile } from './endpoint-profile.ts'

/** One slow server does not keep all others' news. */
const LISTENING_MS = 3_000
/** Those whose replica ended come back together; they need not all list and read in one moment. */
const SPREAD_MS = 500
const NOUNS = ['tools', 'prompts', 'resources'] as const

/** The notifications that say so: of each list that the endpoint has, and of each resource that was subscribed to, at `only` this server if one is given. */
async function mayHaveChanged(context: GatewayContext, { data }: LiveSession, only?: Upstream): Promise<readonly WireText[]> {
  const { endpoint, revision, subscriptions } = data
  // What a server that is down has is not known.
  const has = await endpointProfile(context, endpoint, revision, 'legacy').then(({ capabilities }) => capabilities, () => undefined)
  const texts = NOUNS.filter((noun) => has === undefined || has[noun] !== undefined).map((noun) => `{"jsonrpc":"2.0","method":"notifications/${noun}/list_changed"}`)
  for (const [upstreamId, uris] of Object.entries(subscriptions)) {
    const upstream = context.upstreams.byId(upstreamId)
    if (only !== undefined && upstream !== only) continue
    const slug = upstream === undefined ? undefined : slugAt(context, endpoint, upstream)
    for (const uri of uris) texts.push(`{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":${asciiJson(slug === undefined ? uri : markUri(slug, uri))}}}`)
  }
  return texts
}

/** Tells a session that another replica had when all that it asked for is listened to here: what comes from then on it hears. Once more where a server was slow. */
export function tellMissed(context: GatewayContext, session: LiveSession, listening: readonly Promise<unknown>[]): Promise<void> {
  const { takenUp } = session
  session.takenUp = undefined
  return tellOnceHeard(context, session, [takenUp, ...listening])
}

/** As soon as it can be heard. `only`: nothing of other servers. */
export async function tellOnceHeard(context: GatewayContext, session: LiveSession, listening: readonly (Promise<unknown> | undefined)[], only?: Upstream): Promise<void> {
  const { clock, random } = context.deps
  const pause = (ms: number): Promise<'waiting'> => new Promise((resolve) => clock.after(ms, () => resolve('waiting')))
  const tell = async (): Promise<void> => {
    for (const text of await mayHaveChanged(context, session, only)) if (!session.ended) context.deliver(session, text)
  }
  const all = Promise.allSettled(listening)
  const first = await Promise.race([all, pause(LISTENING_MS)])
  await pause(SPREAD_MS * random.fraction())
  await tell()
  if (first !== 'waiting') return
  // What the slow one announced since then nobody has heard.
  await all
  await tell()
}
