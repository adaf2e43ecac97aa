/** A session that another replica, or an earlier process, had: what it asked for goes on, what went with the other is said to be lost. */

import { isMerged, slugAt, upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { LiveSession } from '../session/live-session.ts'
import { backoffMs } from '../upstream/backoff.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { announceLists, watchShared } from './answers.ts'
import { tellOnceHeard } from './may-have-changed.ts'
import { ensureLists, sourceOf } from './party.ts'
import type { Party } from './party.ts'

/** False where the session cannot go on: its server's memory of it was lost (decision 0005). */
export function takeUpSession(context: GatewayContext, session: LiveSession): boolean {
  const { data } = session
  const lost = data.holds.filter((id) => context.upstreams.byId(id)?.config.state === 'opaque')
  data.holds = []
  if (lost.length > 0) context.deps.log({ level: 'warn', event: 'session_state_lost', fields: { upstream: lost.join(' ') } })
  if (lost.length > 0 && !isMerged(context, data.endpoint)) return false
  for (const id of lost) session.lost.add(id)
  const party = partyOfSession(session)
  announceLists(context, session, party)
  session.takenUp = Promise.allSettled(upstreamsAt(context, data.endpoint).map((upstream) => watchAgain(context, session, upstream)))
  return true
}

function partyOfSession(session: LiveSession): Party {
  const { ownerKey, bindingKey, revision } = session.data
  return { era: 'legacy', revision, principal: { ownerKey, bindingKey, label: '', scopes: new Set() }, session, message: undefined }
}

/** A server that is away just now would be listened to by nobody until the client's next call there, which may never come. */
const AGAIN = { firstMs: 500, maxMs: 30_000 }
const MAX_TRIES = 10

async function watchAgain(context: GatewayContext, session: LiveSession, upstream: Upstream): Promise<void> {
  const { clock, random } = context.deps
  for (let tries = 1; tries <= MAX_TRIES && !session.ended && !context.draining; tries += 1) {
    const uris = session.data.subscriptions[upstream.id] ?? []
    if (uris.length === 0 || (await isWatched(context, session, upstream, uris).catch(() => false))) return
    await new Promise<void>((resolve) => clock.after(backoffMs(tries, AGAIN, random), resolve))
  }
}

/**
 * The client session's own session at a server was lost, or the server replaced: what it listens to there goes on though its client does not call. Not
 * at once, so that a server which loses each session is not opened in a circle.
 */
export async function listenAgain(context: GatewayContext, session: LiveSession, upstream: Upstream): Promise<void> {
  const { clock, random } = context.deps
  await new Promise<void>((resolve) => clock.after(backoffMs(1, AGAIN, random), resolve))
  const isWatching = (session.data.subscriptions[upstream.id] ?? []).length > 0
  if (session.ended || session.leaving || context.draining || (!isWatching && session.streams.length === 0)) return
  const listening = isWatching ? watchAgain(context, session, upstream).then(() => session.opened.get(upstream.id)?.channel.openStream()) : ensureLists(context, partyOfSession(session), upstream)
  await tellOnceHeard(context, session, [listening], upstream)
}

/** Where the session has a session of its own at the server, that one subscribes when it is opened: now. */
async function isWatched(context: GatewayContext, session: LiveSession, upstream: Upstream, uris: readonly string[]): Promise<boolean> {
  const party = partyOfSession(session)
  const source = await sourceOf(context, party, upstream)
  void ensureLists(context, party, upstream)
  if (source.isOwn) return (await source.channel()).closed === false
  const marked = slugAt(context, session.data.endpoint, upstream) !== undefined
  const watched = await Promise.allSettled(uris.map((uri) => watchShared(context, session, source, { uri, marked, subscribes: true })))
  return watched.every(({ status }) => status === 'fulfilled')
}
