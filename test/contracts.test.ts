import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createStaticCredentials } from '../src/adapters/memory/credentials.ts'
import { createEraStore } from '../src/adapters/memory/era-store.ts'
import { createEventBuffer } from '../src/adapters/memory/event-buffer.ts'
import { createEventStore } from '../src/adapters/memory/event-store.ts'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createKeyStore } from '../src/adapters/memory/key-store.ts'
import { createLeaseStore } from '../src/adapters/memory/lease-store.ts'
import { createMemoryLedger } from '../src/adapters/memory/ledger.ts'
import { createLimiter } from '../src/adapters/memory/limiter.ts'
import { createPeerNetwork } from '../src/adapters/memory/peer-link.ts'
import { createOpenPolicy } from '../src/adapters/memory/policy.ts'
import { createSeededRandom } from '../src/adapters/memory/random.ts'
import { createReplayGuard } from '../src/adapters/memory/replay-guard.ts'
import { createReplicaStore } from '../src/adapters/memory/replica-store.ts'
import { createSessionStore } from '../src/adapters/memory/session-store.ts'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { createSnapshotStore } from '../src/adapters/memory/snapshot-store.ts'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createKeyring } from '../src/adapters/node/keyring.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import type { Clock } from '../src/core/clock.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { Snapshot } from '../src/core/gateway/snapshot.ts'
import { testClock } from './contracts/clock.contract.ts'
import { testCredentials } from './contracts/credentials.contract.ts'
import { testEraStore } from './contracts/era-store.contract.ts'
import { testEventBuffer } from './contracts/event-buffer.contract.ts'
import { testEventStore } from './contracts/event-store.contract.ts'
import { testHints } from './contracts/hints.contract.ts'
import { testKeyStore } from './contracts/key-store.contract.ts'
import { testKeyring } from './contracts/keyring.contract.ts'
import { testLeaseStore } from './contracts/lease-store.contract.ts'
import { ledgerRecord, testLedger } from './contracts/ledger.contract.ts'
import { testLimiter } from './contracts/limiter.contract.ts'
import { testPeerLink } from './contracts/peer-link.contract.ts'
import { testPolicy } from './contracts/policy.contract.ts'
import { testRandom } from './contracts/random.contract.ts'
import { testReplayGuard } from './contracts/replay-guard.contract.ts'
import { testReplicaStore } from './contracts/replica-store.contract.ts'
import { testSessionStore } from './contracts/session-store.contract.ts'
import { testSnapshotSource } from './contracts/snapshot-source.contract.ts'
import { testSnapshotStore } from './contracts/snapshot-store.contract.ts'
import type { StoreRig } from './contracts/store-rig.ts'
import { testTaskStore } from './contracts/task-store.contract.ts'
import { testTelemetry } from './contracts/telemetry.contract.ts'

testClock('system', () => ({ clock: createSystemClock(), pass: (ms) => sleep(ms) }))
testClock('manual', () => {
  const clock = createManualClock(1_700_000_000_000)
  return { clock, pass: async (ms) => clock.advance(ms) }
})

testRandom('system', createSystemRandom)
testRandom('seeded', () => createSeededRandom(7))

testKeyring('node:crypto', () => createKeyring([{ secret: randomBytes(32), active: true }]))

/** All replicas of one process share the object. */
const inMemory = <S>(create: (clock: Clock) => S) => async (): Promise<StoreRig<S>> => {
  const clock = createManualClock(1_700_000_000_000)
  const store = create(clock)
  return { store, second: async () => store, pass: async (ms) => clock.advance(ms) }
}

testSessionStore('memory', inMemory(createSessionStore))
testEventStore('memory', inMemory((clock) => {
  const sessions = createSessionStore(clock)
  return { ...createEventStore(clock, sessions), sessions }
}))
testReplicaStore('memory', inMemory(createReplicaStore))
testLeaseStore('memory', inMemory(createLeaseStore))
testKeyStore('memory', inMemory(createKeyStore))
testReplayGuard('memory', inMemory(createReplayGuard))
testSnapshotStore('memory', inMemory(createSnapshotStore))
testTaskStore('memory', inMemory(createTaskStore))
testEraStore('memory', inMemory(createEraStore))

testEventBuffer('memory', (bounds) => {
  const clock = createManualClock(1_700_000_000_000)
  return { buffer: createEventBuffer({ clock, ...bounds }), pass: (ms) => clock.advance(ms) }
})

testHints('memory', async () => {
  const hints = createHints()
  return { near: hints, far: hints, close: async () => {} }
}, false)

testPeerLink('memory', async () => {
  const network = createPeerNetwork()
  return { near: network.join('near'), far: network.join('far'), kill: async (which) => network.leave(which), close: async () => {} }
})

testSnapshotSource('memory', async () => {
  let version = 0
  const make = (): Snapshot => ({
    digest: createHash('sha256').update(String(version)).digest('hex'),
    servers: [],
    virtualServers: [],
    separator: '__',
    pageSize: 100,
    limits: DEFAULT_LIMITS,
  })
  const source = createSnapshotSource(make())
  return {
    source,
    async change() {
      version++
      source.replace(make())
      return make()
    },
    repeat: async () => source.replace(make()),
  }
})

testLimiter('memory', async ({ files, ...bounds }) => {
  const clock = createManualClock()
  const limiter = createLimiter({ ...bounds, server: (id) => (id === 'files' ? files : undefined), clock })
  return { limiter, pass: async (ms) => clock.advance(ms) }
})
testPolicy('open', async () => createOpenPolicy())
testCredentials('static', async () => createStaticCredentials(new Map([['up', [['authorization', 'Bearer up-token']]]])))

testLedger('memory', async () => {
  const ledger = createMemoryLedger(100)
  return { ledger, records: async () => ledger.records() }
})

testTelemetry('memory', async () => {
  const telemetry = createMemoryTelemetry()
  return { telemetry, value: async (name, labels) => telemetry.value(name, labels), observed: async (name, labels) => telemetry.observed(name, labels) }
})

describe('key ring with several keys', () => {
  const old = { secret: randomBytes(32), active: true }
  const next = { secret: randomBytes(32), active: true }

  it('opens what any of its keys sealed', () => {
    const before = createKeyring([old])
    const during = createKeyring([old, next])
    const handle = before.seal('session', 'alice', 'text')
    expect(during.open('session', 'alice', handle)).toBe('text')
    expect(createKeyring([next]).open('session', 'alice', handle)).toBeUndefined()
  })

  it('has the secrets of all its keys, and names that of the newest active one', () => {
    const { keyId, secret } = createKeyring([old]).secret('a')
    const waiting = createKeyring([old, { ...next, active: false }])
    expect(waiting.secret('a')).toEqual({ keyId, secret })
    expect(waiting.secretOf(createKeyring([next]).secret('a').keyId, 'a')).toEqual(createKeyring([next]).secret('a').secret)
    expect(createKeyring([old, next]).secret('a').keyId).not.toBe(keyId)
    expect(createKeyring([old, next]).secretOf(keyId, 'a')).toEqual(secret)
    expect(createKeyring([next]).secretOf(keyId, 'a')).toBeUndefined()
  })

  it('seals with the newest active key only', () => {
    const handle = createKeyring([old, next]).seal('session', 'alice', 'text')
    expect(createKeyring([next]).open('session', 'alice', handle)).toBe('text')
    const waiting = createKeyring([old, { ...next, active: false }]).seal('session', 'alice', 'text')
    expect(createKeyring([next]).open('session', 'alice', waiting)).toBeUndefined()
  })

  it('gives a task the same id in every process with the same keys', () => {
    expect(createKeyring([old]).seal('task', 'alice', 'up|t1')).toBe(createKeyring([old]).seal('task', 'alice', 'up|t1'))
  })

  it('is refused without an active key, with a short secret, or with a key twice', () => {
    expect(() => createKeyring([])).toThrow(TypeError)
    expect(() => createKeyring([{ ...old, active: false }])).toThrow(TypeError)
    expect(() => createKeyring([{ secret: randomBytes(16), active: true }])).toThrow(TypeError)
    expect(() => createKeyring([old, old])).toThrow(TypeError)
  })
})

describe('memory ledger', () => {
  it('keeps the last records, the newest last', () => {
    const ledger = createMemoryLedger(3)
    for (const id of ['a', 'b', 'c', 'd', 'e']) ledger.append(ledgerRecord(id))
    expect(ledger.records().map((record) => record.exchangeId)).toEqual(['c', 'd', 'e'])
    expect(createMemoryLedger(0).records()).toEqual([])
  })
})

describe('memory event buffer', () => {
  it('lets a session that sends pay for what all sessions keep beyond the total', () => {
    const clock = createManualClock()
    const buffer = createEventBuffer({ clock, bufferedEvents: 100, bufferedEventBytes: 1e9, bufferedEventAgeMs: 1e9, totalBytes: 10_000 })
    const quiet = buffer.append('quiet', 'a', '')
    buffer.append('quiet', 'a', 'x'.repeat(4_000))
    const busy = buffer.append('busy', 'a', '')
    for (let at = 0; at < 5; at++) buffer.append('busy', 'a', 'x'.repeat(4_000))
    expect(buffer.replayAfter('quiet', quiet).kind).toBe('events')
    expect(buffer.replayAfter('busy', busy).kind).toBe('expired')
  })

  it('frees the events of sessions that went silent, and then sets no timer', () => {
    const clock = createManualClock()
    const buffer = createEventBuffer({ clock, bufferedEvents: 100, bufferedEventBytes: 1e9, bufferedEventAgeMs: 60_000 })
    buffer.append('s', 'a', 'x')
    expect(clock.pendingCount).toBe(1)
    clock.advance(200_000)
    expect(clock.pendingCount).toBe(0)
  })
})
