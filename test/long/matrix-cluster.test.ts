/**
 * The whole bridge matrix through nginx, round robin, over three replicas on PostgreSQL, with each adapter of hints.
 * Clients on stdio start one process each: they take no part.
 */
import { describe } from 'vitest'
import { hasNginx } from '../cluster.ts'
import { SDK1, SDK2 } from '../matrix/clients.ts'
import { BALANCED, testReplicatedMatrix } from '../matrix/replicated.ts'
import type { Seat } from '../matrix/run.ts'
import { findNats } from '../services/nats.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nats = await findNats()

const hints: [string, readonly string[]][] = [['LISTEN and NOTIFY', []]]
if (nats !== undefined) hints.push(['NATS', ['--nats-url', `nats://${nats.host}:${nats.port}`]])

const FAR: readonly Seat[] = [SDK1, SDK2].flatMap((client) => [{ client, hops: 3 }, { client, hops: 3, isTurning: true }])

describe.skipIf(postgres === undefined || !hasNginx).each(hints)('the bridge matrix through three replicas with hints over %s', (_wire, args) => {
  testReplicatedMatrix({ seats: [...BALANCED, ...FAR], args, limitMs: 900_000 })
})
