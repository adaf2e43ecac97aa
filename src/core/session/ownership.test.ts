import { beforeEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createSessionStore } from '../../adapters/memory/session-store.ts'
import type { Membership } from '../replica/membership.ts'
import { createLiveSession } from './live-session.ts'
import type { LiveSession } from './live-session.ts'
import { shareOwnership } from './ownership.ts'
import type { Ownership } from './ownership.ts'
import type { SessionStore } from './session-store.ts'
import type { Session } from './session.ts'

const LIFETIME_MS = 60_000

function newSession(): Session {
  return {
    id: 's1', bindingKey: 'b', ownerKey: 'o', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}',
    createdAtMs: 1, lastUsedAtMs: 1, initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
  }
}

/** Each its own idea of who else lives. */
function replica(store: SessionStore, id: string, alive: readonly string[] | Membership['isAlive']): Ownership {
  const isAlive = typeof alive === 'function' ? alive : async (other: string) => alive.includes(other)
  const membership: Membership = {
    id, isCertain: () => true, generation: () => 1, confirm: async () => true, another: async () => undefined, isAlive,
    unreachableSinceTicks: () => undefined, leave: async () => undefined,
  }
  return shareOwnership(store, membership, () => false)
}

let store: SessionStore
let [first, second]: Ownership[] = []
let session: LiveSession
beforeEach(async () => {
  store = createSessionStore(createManualClock())
  first = replica(store, 'r1', [])
  second = replica(store, 'r2', [])
  const data = newSession()
  session = createLiveSession(data, 'handle', { ...(await first.open(data, LIFETIME_MS)), isTakenUp: false })
})

describe('a replica whose session another one has claimed', () => {
  beforeEach(async () => {
    expect(await second?.locate('s1', () => true)).toMatchObject({ epoch: 2 })
  })

  it('saves nothing of it', async () => {
    session.data.logLevel = 'error'
    expect(await first?.save(session, LIFETIME_MS)).toBe(false)
    expect(await store.find('s1')).toMatchObject({ session: { logLevel: '' }, owner: 'r2', epoch: 2 })
  })

  it('does not give it back for the other', async () => {
    await first?.release(session)
    expect(await store.find('s1')).toMatchObject({ owner: 'r2', epoch: 2 })
  })

  it('learns so when it looks, also once it has claimed it anew: what it held before is not of this epoch', async () => {
    expect(await first?.recheck(session)).toBe(false)
    expect(await first?.locate('s1', () => true)).toMatchObject({ epoch: 3 })
    expect(await first?.recheck(session)).toBe(false)
  })
})

describe('a replica that was taken for dead, and is not', () => {
  it('has one claim with who looked before its heartbeat and claims after it: the session is never at both', async () => {
    const looked = Promise.withResolvers<void>()
    const mayGoOn = Promise.withResolvers<void>()
    let isFirstLook = true
    const isAlive = async (): Promise<boolean> => {
      if (!isFirstLook) return true
      isFirstLook = false
      looked.resolve()
      await mayGoOn.promise
      return false
    }
    const other = replica(store, 'r2', isAlive)
    const located = other.locate('s1', () => true)
    await looked.promise
    expect(await first?.recheck(session)).toBe(true)
    mayGoOn.resolve()
    expect(await located).toEqual({ replicaId: 'r1' })
    expect([await first?.save(session, LIFETIME_MS), await store.find('s1')]).toMatchObject([true, { owner: 'r1', epoch: 2 }])
  })

  it('goes on with a session that is looked for twice at once, and saved meanwhile', async () => {
    expect(await Promise.all([first?.recheck(session), first?.save(session, LIFETIME_MS), first?.recheck(session), first?.save(session, LIFETIME_MS)])).toEqual([true, true, true, true])
    expect([session.epoch, await first?.save(session, LIFETIME_MS)]).toEqual([2, true])
  })

  it('knows its own claim again whose answer it did not get', async () => {
    await store.claim('s1', 'r1', 1)
    expect([await first?.recheck(session), session.epoch]).toEqual([true, 2])
  })

  it('gives back at once what it left while it looked', async () => {
    const claim: SessionStore['claim'] = async (...asked) => {
      const claimed = await store.claim(...asked)
      session.ended = true
      return claimed
    }
    expect(await replica({ ...store, claim }, 'r1', []).recheck(session)).toBe(false)
    expect((await store.find('s1'))?.owner).toBeUndefined()
  })
})

describe('a session without a living owner', () => {
  it('is claimed by one of two that meet it at once, and is at that one for the other', async () => {
    const [one, other] = [replica(store, 'r3', ['r4']), replica(store, 'r4', ['r3'])]
    const found = await Promise.all([one.locate('s1', () => true), other.locate('s1', () => true)])
    expect(found.filter((place) => place !== undefined && 'epoch' in place)).toHaveLength(1)
    expect(found.filter((place) => place !== undefined && 'replicaId' in place)).toHaveLength(1)
  })

  it('is claimed by nobody for whom it is none, and stays as it was', async () => {
    expect(await second?.locate('s1', () => false)).toBeUndefined()
    expect(await store.find('s1')).toMatchObject({ owner: 'r1', epoch: 1 })
  })
})
