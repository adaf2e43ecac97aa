/**
 * A slice of the bridge matrix through nginx, round robin, over three replicas on PostgreSQL: every behaviour at every server, for the client of
 * each era that hides nothing. test/long/matrix-cluster.test.ts runs all clients, with each adapter of hints.
 */
import { describe } from 'vitest'
import { BALANCED, testReplicatedMatrix } from '../matrix/replicated.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nginx = await findNginx()

describe.skipIf(postgres === undefined || nginx === undefined)('the bridge matrix through three replicas', () => {
  testReplicatedMatrix({ seats: BALANCED.filter(({ client }) => client.id === 'raw-legacy' || client.id === 'raw-modern'), limitMs: 300_000 })
})
