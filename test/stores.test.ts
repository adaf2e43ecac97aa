import { describe } from 'vitest'
import { createEraStore } from '../src/adapters/sql/era-store.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { createKeyStore } from '../src/adapters/sql/key-store.ts'
import { createLeaseStore } from '../src/adapters/sql/lease-store.ts'
import { createReplayGuard } from '../src/adapters/sql/replay-guard.ts'
import { createReplicaStore } from '../src/adapters/sql/replica-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import { createSnapshotStore } from '../src/adapters/sql/snapshot-store.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { testTaskStore } from './contracts/task-store.contract.ts'
import { testEraStore } from './contracts/era-store.contract.ts'
import { testEventStore } from './contracts/event-store.contract.ts'
import { testKeyStore } from './contracts/key-store.contract.ts'
import { testLeaseStore } from './contracts/lease-store.contract.ts'
import { testReplayGuard } from './contracts/replay-guard.contract.ts'
import { testReplicaStore } from './contracts/replica-store.contract.ts'
import { testSessionStore } from './contracts/session-store.contract.ts'
import { testSnapshotStore } from './contracts/snapshot-store.contract.ts'
import { postgresRig, sqliteRig } from './contracts/state-rig.ts'
import type { OpenRig } from './contracts/state-rig.ts'
import { findPostgres } from './services/postgres.ts'

function testStores(name: string, rig: OpenRig): void {
  testSessionStore(name, rig(({ cache }) => createSessionStore(cache)))
  testEventStore(name, rig(({ cache }) => createEventStore(cache)))
  testReplicaStore(name, rig(({ cache }) => createReplicaStore(cache)))
  testLeaseStore(name, rig(({ durable }) => createLeaseStore(durable)))
  testKeyStore(name, rig(({ durable }) => createKeyStore(durable)))
  testReplayGuard(name, rig(({ durable }) => createReplayGuard(durable)))
  testSnapshotStore(name, rig(({ durable }) => createSnapshotStore(durable)))
  testTaskStore(name, rig(({ durable }) => createTaskStore(durable)))
  testEraStore(name, rig(({ cache }) => createEraStore(cache)))
}

testStores('SQLite', sqliteRig())

const postgres = await findPostgres()
const openPostgresRig = postgres === undefined ? undefined : await postgresRig(postgres)
describe.skipIf(openPostgresRig === undefined)('on PostgreSQL', () => {
  if (openPostgresRig !== undefined) testStores('PostgreSQL', openPostgresRig)
})
