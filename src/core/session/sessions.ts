/** The sessions this replica serves: opened, found by what the client holds, ended once. */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { Keyring } from '../auth/keyring.ts'
import type { Principal } from '../auth/principal.ts'
import type { Random } from '../random.ts'
import type { EventBuffer } from './event-buffer.ts'
import type { EventStore, KeptBounds, KeptEvent } from './event-store.ts'
import { eventsOf, keptOf, restoreEvents } from './kept-events.ts'
import { createLiveSession } from './live-session.ts'
import type { LiveSession } from './live-session.ts'
import type { Elsewhere, Owned, Ownership } from './ownership.ts'
import { createSerialSaves } from './serial-saves.ts'
import type { SessionStore, StoredSession } from './session-store.ts'
import type { Session } from './session.ts'

export interface Sessions {
  /** Rejects with `too_many_sessions` beyond the owner's share, `state_unavailable` where it cannot be stored. */
  open(principal: Principal, fields: NewSession): Promise<LiveSession>
  /**
   * The session behind a handle, at once where it is live here; the replica that has it, where another has. Foreign, ended
   * and unknown ones look alike. Rejects with `state_unavailable`.
   */
  find(principal: Principal, endpoint: string, handle: string): LiveSession | undefined | Promise<Found>
  /** Live here: found without a round trip. */
  isHere(handle: string): boolean
  /** As `find`, where what it said last was wrong. */
  findAgain(principal: Principal, endpoint: string, handle: string): Promise<Found>
  /** What another replica would go on with has changed. Resolves when it is stored, or cannot be. */
  changed(session: LiveSession): Promise<void>
  /** Resolves when all that has changed is stored, or cannot be. */
  saved(): Promise<void>
  /** Its client was not there to hear its end: kept where that does not depend on this replica. */
  keepStream(session: LiveSession, streamId: string): void
  end(session: LiveSession): Promise<void>
  /** Leaves it to others, with everything that they can go on with; a store that fails is tried again until then. Nothing happens while a call of it is in flight. */
  handOver(session: LiveSession, untilTicks: number): Promise<void>
  /** Lets go of those that are another replica's by now. */
  recheckAll(): Promise<void>
  /** This process ends, and what is stored outlives it: those that a client can come back to are left as they are at servers. */
  leaveAll(): void
  /** Ends those that were idle for too long; those with a call or a stream open are in use. */
  sweep(): void
  /** Takes what has been expired for so long from the store: `left` are those that nobody has. Rejects with `state_unavailable`. */
  takeExpired(count: number, sinceMs: number): Promise<{ readonly taken: number; readonly left: readonly Session[] }>
  all(): IterableIterator<LiveSession>
  readonly count: number
}

export type Found = LiveSession | Elsewhere | undefined

export type NewSession = Pick<Session, 'endpoint' | 'revision' | 'clientInfo' | 'clientCapabilities'> & {
  /** False on stdio, where the pipe is the session and nothing is handed out. */
  readonly withHandle: boolean
}

export interface SessionsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly store: SessionStore
  readonly ownership: Ownership
  readonly events: EventBuffer
  /** Undefined where nobody else could go on with them. */
  readonly kept: EventStore | undefined
  readonly keptBounds: () => KeptBounds
  readonly idleMs: () => number
  readonly perPrincipal: () => number
  /** It was taken up from the store. False where it cannot go on. */
  readonly onTakenUp: (session: LiveSession) => boolean
  readonly onEnd: (session: LiveSession) => void
  /** Another replica has it, or is to have it: what is attached to it here is let go. */
  readonly onLeft: (session: LiveSession) => void
}

/** The stored copy is renewed when this much of the lifetime has passed, not on each request. */
const SAVE_AFTER_FRACTION = 0.25
/** What the handle of a session begins with that is its pipe. */
const LOCAL = 'local:'
const RECHECKS_AT_ONCE = 32
const GIVE_BACK_PAUSE_MS = 100
/** A change that is not stored by then is stored later, as one that could not be (design §7.9: nobody hangs for 5 s). */
const CHANGED_MS = 4_500
/** Of sessions that are served elsewhere, where: a wrong one costs a way, so that it need not be looked up each time. */
const KNOWN_ELSEWHERE = 10_000

/** By the store's clock the lifetime goes on while this machine sleeps, when no tick passes, and while its own clock is set back. */
interface Moment {
  readonly ms: number
  readonly ticks: number
}

/** Known to the one principal that the handle was opened for: to open it each time again would cost more than all else here. */
interface KnownElsewhere {
  readonly bindingKey: string
  readonly found: Promise<Elsewhere>
}

export function createSessions(deps: SessionsDeps): Sessions {
  const { clock, random, keyring, store, ownership } = deps
  const live = new Map<string, LiveSession>()
  const savedAt = new WeakMap<LiveSession, Moment>()
  const now = (): Moment => ({ ms: clock.nowMs(), ticks: clock.ticksMs() })
  const reserve = createReservations(deps)
  /** It was used after it was saved, by that fraction at most: its row must not expire before it does. */
  const lifetimeMs = (): number => deps.idleMs() * (1 + SAVE_AFTER_FRACTION)
  const elsewhere = new Map<string, KnownElsewhere>()
  const taking = new Map<string, Promise<Found>>()
  /** Ended by us: a save that was asked for before must not store them again. */
  const forgotten = new WeakSet<LiveSession>()
  /** Of which something may stand in the store of events. */
  const spilled = new WeakSet<LiveSession>()

  const leave = (session: LiveSession): void => {
    if (session.ended) return
    session.ended = true
    session.isLeft = true
    live.delete(session.handle)
    deps.onLeft(session)
    for (const run of session.onEnded) run()
    for (const stream of session.streams.splice(0)) stream.end()
    deps.events.dropSession(session.data.id)
  }
  /** A store that fails costs other replicas the session, not this one: the next use tries again. `lost`: it is another's. */
  const { save, settled } = createSerialSaves(async (session: LiveSession): Promise<'saved' | 'lost' | 'failed'> => {
    if (forgotten.has(session)) return 'lost'
    savedAt.set(session, now())
    try {
      if (await ownership.save(session, lifetimeMs())) return 'saved'
      leave(session)
      return 'lost'
    } catch {
      savedAt.delete(session)
      return 'failed'
    }
  })
  const touch = (session: LiveSession): LiveSession => {
    session.data.lastUsedAtMs = clock.nowMs()
    const saved = savedAt.get(session)
    const sinceMs = saved === undefined ? Infinity : Math.max(session.data.lastUsedAtMs - saved.ms, clock.ticksMs() - saved.ticks)
    if (sinceMs > deps.idleMs() * SAVE_AFTER_FRACTION) void save(session)
    return session
  }
  const belongs = (session: Session, principal: Principal, endpoint: string): boolean =>
    session.bindingKey === principal.bindingKey && session.endpoint === endpoint

  const takeUp = async (stored: StoredSession & Owned, handle: string): Promise<LiveSession | undefined> => {
    const session = createLiveSession(stored.session, handle, { epoch: stored.epoch, generation: stored.generation, isTakenUp: true })
    restoreEvents(session, deps.events, (await deps.kept?.load(session.data.id)) ?? [])
    spilled.add(session)
    live.set(handle, session)
    if (deps.onTakenUp(session)) return touch(session)
    await end(session)
    return undefined
  }
  const locate = async (principal: Principal, endpoint: string, handle: string): Promise<Found> => {
    const id = keyring.open('session', principal.bindingKey, handle)
    const located = id === undefined ? undefined : await ownership.locate(id, (session) => belongs(session, principal, endpoint))
    if (located === undefined || !('replicaId' in located)) return located === undefined ? undefined : takeUp(located, handle)
    elsewhere.delete(handle)
    elsewhere.set(handle, { bindingKey: principal.bindingKey, found: Promise.resolve(located) })
    if (elsewhere.size > KNOWN_ELSEWHERE) dropOldest(elsewhere)
    return located
  }
  /** Of a client's requests that come together, one takes the session up for all. */
  const locateOnce = (principal: Principal, endpoint: string, handle: string): Promise<Found> => {
    const key = JSON.stringify([principal.bindingKey, endpoint, handle])
    const begun = taking.get(key) ?? locate(principal, endpoint, handle).finally(() => taking.delete(key))
    taking.set(key, begun)
    return begun
  }
  const recheck = async (session: LiveSession, principal: Principal, endpoint: string): Promise<Found> => {
    if (await ownership.recheck(session)) return session.ended ? undefined : touch(session)
    leave(session)
    return locateOnce(principal, endpoint, session.handle)
  }
  const findAgain = (principal: Principal, endpoint: string, handle: string): Promise<Found> => {
    elsewhere.delete(handle)
    const found = find(principal, endpoint, handle)
    return found instanceof Promise ? found : Promise.resolve(found)
  }
  const find = (principal: Principal, endpoint: string, handle: string): LiveSession | undefined | Promise<Found> => {
    const session = live.get(handle)
    if (session === undefined) return knownElsewhere(principal, handle) ?? locateOnce(principal, endpoint, handle)
    if (!belongs(session.data, principal, endpoint)) return undefined
    return ownership.isCertain(session) ? touch(session) : recheck(session, principal, endpoint)
  }
  const knownElsewhere = ({ bindingKey }: Principal, handle: string): Promise<Found> | undefined => {
    const known = elsewhere.get(handle)
    return known?.bindingKey === bindingKey ? known.found : undefined
  }

  const end = async (session: LiveSession): Promise<void> => {
    if (session.ended) return
    const isOwn = ownership.isCertain(session)
    session.ended = true
    forgotten.add(session)
    live.delete(session.handle)
    // Another may go on with what it has at servers; nobody can with a pipe.
    session.isLeft = !isOwn && !session.handle.startsWith(LOCAL)
    if (session.isLeft) deps.onLeft(session)
    else deps.onEnd(session)
    for (const run of session.onEnded) run()
    for (const stream of session.streams.splice(0)) stream.end()
    deps.events.dropSession(session.data.id)
    // Another may have it by now: then it is not ours to end.
    if (isOwn) await Promise.all([store.delete(session.data.id), deps.kept?.dropSession(session.data.id)])
  }

  /** Its row is gone and it is live here, as after a store that was away for long: who has no others stores it anew when it is used, who has them has lost it. */
  const outlived = async (session: LiveSession): Promise<void> => {
    if (await ownership.recheck(session)) savedAt.delete(session)
    else await end(session)
  }

  /** All of it, or nothing that another could go on with: a session that is given back without its events has lost answers. False where the store failed. */
  const giveBack = async (session: LiveSession, events: readonly KeptEvent[]): Promise<boolean> => {
    try {
      const saved = await save(session)
      // Whoever claimed it meanwhile keeps events of its own.
      if (saved !== 'saved') return saved === 'lost'
      // All that it kept is among these. It may have been claimed since, too, or ended. Four trips to a database, of six: most have nothing to say.
      const hasEvents = events.length > 0 || spilled.has(session)
      if (hasEvents && (await deps.kept?.replace(session.data.id, session.epoch, events, lifetimeMs())) === false) return true
      // Given back only under the epoch that it was owned by.
      await ownership.release(session)
      return true
    } catch {
      return false
    }
  }

  return {
    async open(principal, { withHandle, ...fields }) {
      const release = await reserve(principal.ownerKey)
      try {
        const data = newSession(random.id(), principal, fields, clock.nowMs())
        const handle = withHandle ? keyring.seal('session', principal.bindingKey, data.id) : `${LOCAL}${data.id}`
        // The client may bring its handle to another replica at once.
        const session = createLiveSession(data, handle, { ...(await ownership.open(data, lifetimeMs())), isTakenUp: false })
        savedAt.set(session, now())
        live.set(handle, session)
        return session
      } finally {
        release()
      }
    },
    find,
    isHere: (handle) => live.has(handle),
    findAgain,
    async changed(session) {
      if (session.ended) return
      // One may be on its way before it: a client does not wait for both to the end.
      await new Promise<void>((resolve) => {
        const stopTimer = clock.after(CHANGED_MS, resolve)
        void save(session).finally(() => (stopTimer(), resolve()))
      })
    },
    saved: settled,
    keepStream(session, streamId) {
      const { data } = session
      spilled.add(session)
      void deps.kept?.keep(data.id, eventsOf(data.id, deps.events, streamId), lifetimeMs(), deps.keptBounds()).catch(() => undefined)
    },
    end,
    async handOver(session, untilTicks) {
      // Once a call has begun, elsewhere nobody would know of it, nor of its end.
      const isKept = (): boolean => session.ended || session.inFlight.size > 0
      if (isKept()) return
      // Nobody can come back to a pipe.
      if (session.handle.startsWith(LOCAL)) return end(session)
      // What another has by now keeps events of its own, which are not ours to drop.
      if (!ownership.isCertain(session) && !(await ownership.recheck(session))) return leave(session)
      if (isKept()) return
      const events = keptOf(session, deps.events)
      leave(session)
      while (!(await giveBack(session, events)) && clock.ticksMs() < untilTicks) await new Promise<void>((resolve) => clock.after(GIVE_BACK_PAUSE_MS, resolve))
    },
    async recheckAll() {
      const doubtful = Array.from(live.values()).filter((session) => !ownership.isCertain(session))
      for (let from = 0; from < doubtful.length; from += RECHECKS_AT_ONCE) {
        await Promise.all(doubtful.slice(from, from + RECHECKS_AT_ONCE).map(async (session) => (await ownership.recheck(session)) || leave(session)))
      }
    },
    leaveAll() {
      if (deps.kept === undefined) return
      for (const session of live.values()) {
        if (session.handle.startsWith(LOCAL)) continue
        session.isLeft = true
        deps.onLeft(session)
      }
    },
    sweep() {
      const oldest = clock.nowMs() - deps.idleMs()
      for (const session of live.values()) {
        if (session.inFlight.size > 0 || session.streams.length > 0) touch(session)
        // What the store cannot forget now expires there.
        else if (session.data.lastUsedAtMs < oldest) void end(session).catch(() => undefined)
      }
    },
    async takeExpired(count, sinceMs) {
      const expired = await store.takeExpired(count, sinceMs)
      const here = expired.length === 0 ? undefined : new Map(Array.from(live.values(), (session) => [session.data.id, session]))
      await Promise.all(expired.flatMap(({ id }) => here?.get(id) ?? []).map(outlived))
      return { taken: expired.length, left: expired.filter(({ id }) => here?.has(id) !== true) }
    },
    all: () => live.values(),
    get count() {
      return live.size
    },
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const oldest of map.keys()) return void map.delete(oldest)
}

function newSession(id: string, { bindingKey, ownerKey }: Principal, fields: Omit<NewSession, 'withHandle'>, nowMs: number): Session {
  return {
    id, bindingKey, ownerKey, ...fields, createdAtMs: nowMs, lastUsedAtMs: nowMs, initialized: false, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
  }
}

/** Keeps what is being opened within the owner's share, before the store knows of it. */
function createReservations({ store, perPrincipal }: SessionsDeps): (ownerKey: string) => Promise<() => void> {
  const opening = new Map<string, number>()
  return async (ownerKey) => {
    const before = opening.get(ownerKey) ?? 0
    opening.set(ownerKey, before + 1)
    const release = (): void => {
      const left = (opening.get(ownerKey) ?? 1) - 1
      if (left === 0) opening.delete(ownerKey)
      else opening.set(ownerKey, left)
    }
    const stored = await store.count(ownerKey).catch((error: unknown) => {
      release()
      throw error
    })
    if (stored + before < perPrincipal()) return release
    release()
    throw new PortolanError('too_many_sessions', { retryAfterSec: 60 })
  }
}
