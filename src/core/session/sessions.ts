/** The sessions this replica serves: opened, found by what the client holds, ended once. */

import { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { Keyring } from '../auth/keyring.ts'
import type { Principal } from '../auth/principal.ts'
import type { Random } from '../random.ts'
import type { EventBuffer } from './event-buffer.ts'
import { createLiveSession } from './live-session.ts'
import type { LiveSession } from './live-session.ts'
import type { SessionStore } from './session-store.ts'
import type { Session } from './session.ts'

export interface Sessions {
  /** Rejects with `too_many_sessions` beyond the owner's share. */
  open(principal: Principal, fields: NewSession): Promise<LiveSession>
  /** The session behind a handle, at once where it is live here. Foreign, ended and unknown ones look alike. */
  find(principal: Principal, endpoint: string, handle: string): LiveSession | undefined | Promise<LiveSession | undefined>
  end(session: LiveSession): Promise<void>
  /** Ends those that were idle for too long; those with a call or a stream open are in use. */
  sweep(): void
  all(): IterableIterator<LiveSession>
  readonly count: number
}

export type NewSession = Pick<Session, 'endpoint' | 'revision' | 'clientInfo' | 'clientCapabilities'> & {
  /** False on stdio, where the pipe is the session and nothing is handed out. */
  readonly withHandle: boolean
}

export interface SessionsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly keyring: Keyring
  readonly store: SessionStore
  readonly events: EventBuffer
  readonly idleMs: () => number
  readonly perPrincipal: () => number
  readonly onEnd: (session: LiveSession) => void
}

/** The stored copy is renewed when this much of the lifetime has passed, not on each request. */
const SAVE_AFTER_FRACTION = 0.25

export function createSessions(deps: SessionsDeps): Sessions {
  const { clock, random, keyring, store } = deps
  const live = new Map<string, LiveSession>()
  const savedAtMs = new WeakMap<LiveSession, number>()
  /** Counted before the store knows of them: owner -> sessions being opened. */
  const opening = new Map<string, number>()

  /** A store that fails costs other replicas the session, not this one: the next use tries again. */
  const save = async (session: LiveSession): Promise<void> => {
    savedAtMs.set(session, clock.nowMs())
    await store.save(session.data, deps.idleMs()).catch(() => savedAtMs.delete(session))
  }
  const touch = (session: LiveSession): LiveSession => {
    session.data.lastUsedAtMs = clock.nowMs()
    if (session.data.lastUsedAtMs - (savedAtMs.get(session) ?? 0) > deps.idleMs() * SAVE_AFTER_FRACTION) void save(session)
    return session
  }
  const belongs = (session: Session, principal: Principal, endpoint: string): boolean =>
    session.bindingKey === principal.bindingKey && session.endpoint === endpoint

  const restore = async (principal: Principal, endpoint: string, handle: string): Promise<LiveSession | undefined> => {
    const id = keyring.open('session', principal.bindingKey, handle)
    if (id === undefined) return undefined
    const data = (await store.find(id))?.session
    if (data === undefined || !belongs(data, principal, endpoint)) return undefined
    // Another request of the client may have taken it up meanwhile.
    const taken = live.get(handle)
    if (taken !== undefined) return touch(taken)
    const session = createLiveSession(data, handle)
    live.set(handle, session)
    return touch(session)
  }

  const end = async (session: LiveSession): Promise<void> => {
    if (session.ended) return
    session.ended = true
    live.delete(session.handle)
    deps.onEnd(session)
    for (const run of session.onEnded) run()
    for (const stream of session.streams.splice(0)) stream.end()
    deps.events.dropSession(session.data.id)
    await store.delete(session.data.id)
  }

  const reserve = async (ownerKey: string): Promise<() => void> => {
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
    if (stored + before < deps.perPrincipal()) return release
    release()
    throw new PortolanError('too_many_sessions', { retryAfterSec: 60 })
  }

  return {
    async open(principal, { withHandle, ...fields }) {
      const release = await reserve(principal.ownerKey)
      const nowMs = clock.nowMs()
      const data: Session = {
        id: random.id(),
        bindingKey: principal.bindingKey,
        ownerKey: principal.ownerKey,
        ...fields,
        createdAtMs: nowMs,
        lastUsedAtMs: nowMs,
        initialized: false,
        logLevel: '',
        subscriptions: {},
        tasks: {},
      }
      const handle = withHandle ? keyring.seal('session', principal.bindingKey, data.id) : `local:${data.id}`
      const session = createLiveSession(data, handle)
      live.set(handle, session)
      // The client may bring its handle to another replica at once.
      await save(session)
      release()
      return session
    },
    find(principal, endpoint, handle) {
      const session = live.get(handle)
      if (session === undefined) return restore(principal, endpoint, handle)
      return belongs(session.data, principal, endpoint) ? touch(session) : undefined
    },
    end,
    sweep() {
      const oldest = clock.nowMs() - deps.idleMs()
      for (const session of live.values()) {
        if (session.inFlight.size > 0 || session.streams.length > 0) touch(session)
        // What the store cannot forget now expires there.
        else if (session.data.lastUsedAtMs < oldest) void end(session).catch(() => undefined)
      }
    },
    all: () => live.values(),
    get count() {
      return live.size
    },
  }
}
