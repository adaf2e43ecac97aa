/** Many that write the same rows at once wait for each other, and never in a circle. */
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import type { SqlDatabase } from '../src/adapters/sql/sql-database.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { newTask } from './contracts/task-store.contract.ts'
import { findPostgres } from './services/postgres.ts'

const TASKS = 200
const WRITERS = 6
const ROUNDS = 20
const LEASE = { holder: 'r1', leaseMs: 600_000, isDispatched: false }

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const postgres = await findPostgres()

/** Counted by the server; what each connection counted is told when it ends. */
async function deadlocksOf(url: string): Promise<number> {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ deadlocks: string }>('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()')
    return Number(rows[0]?.deadlocks)
  } finally {
    await client.end()
  }
}

/** Every one as a replica of its own, against one database; resolves with what failed, and with how many circles the server broke. */
async function stress(url: string, act: (database: SqlDatabase, writer: number, round: number) => Promise<unknown>): Promise<unknown> {
  const replicas = await Promise.all(Array.from({ length: WRITERS }, () => openPostgres({ url, poolSize: 2 })))
  const failed: unknown[] = []
  await Promise.all(
    replicas.map(async ({ durable }, writer) => {
      for (let round = 0; round < ROUNDS; round += 1) await act(durable, writer, round).catch((error: unknown) => failed.push(error instanceof Error ? String(error.cause ?? error) : error))
    }),
  )
  await Promise.all(replicas.map((replica) => replica.close()))
  return { failed, deadlocks: await deadlocksOf(url) }
}

/** Every `step`th of all, from `first` on: two such sets share rows, in orders of their own. */
function some<T>(all: readonly T[], first: number, step: number): readonly T[] {
  return all.filter((_, at) => at >= first && (at - first) % step === 0).toReversed()
}

describe.skipIf(postgres === undefined)('writers of the same rows of PostgreSQL', () => {
  const open = async (): Promise<{ readonly url: string; readonly durable: SqlDatabase }> => {
    const url = (await postgres?.newDatabase()) ?? ''
    // Sooner than by default, so that what waits in a circle fails within the test.
    await postgres?.administer(`ALTER DATABASE ${new URL(url).pathname.slice(1)} SET deadlock_timeout = '20ms'`)
    const first = await openPostgres({ url })
    closers.push(() => first.close())
    return { url, durable: first.durable }
  }

  it('renew, write and claim tasks at once, and no call fails', async () => {
    const { url, durable } = await open()
    const store = createTaskStore(durable)
    const tasks = await Promise.all(Array.from({ length: TASKS }, async (_, at) => (await store.create(newTask(`t${at}`, at % 10 === 0 ? {} : { lease: LEASE }))).task))
    const act = async (database: SqlDatabase, writer: number, round: number): Promise<void> => {
      const own = createTaskStore(database)
      const mine = some(tasks, (writer + round) % 5, 1 + (round % 3))
      if (writer % 2 === 0) await own.renew(mine.map(({ id }) => ({ id, epoch: 1 })), 600_000)
      else await own.write(mine.map((task) => ({ ...task, version: round + 2 })))
      await own.claim({ holder: 'r2', leaseMs: 1, count: 10, perOwner: 100, rooms: new Map(), gone: [] })
    }
    expect(await stress(url, act)).toEqual({ failed: [], deadlocks: 0 })
  })

  it('sweep and drop tasks at once, and no call fails', async () => {
    const { url, durable } = await open()
    const store = createTaskStore(durable)
    const ids = Array.from({ length: TASKS }, (_, at) => `t${at}`)
    const refill = async (): Promise<void> => {
      await Promise.all(ids.map((id) => store.create(newTask(id))))
      await durable.write("UPDATE portolan_task SET phase = 'completed', is_over = 1, expires_at_ms = (1000 + random() * 1000)::BIGINT", [])
    }
    const act = async (database: SqlDatabase, writer: number, round: number): Promise<void> => {
      const own = createTaskStore(database)
      if (writer === 0 && round % 10 === 0) await refill()
      else if (writer % 2 === 0) await own.sweep(50, 1)
      else await own.drop(ids[(writer * 31 + round * 7) % TASKS] ?? '', 1)
    }
    expect(await stress(url, act)).toEqual({ failed: [], deadlocks: 0 })
  })

  it('keep, replace and drop the events of the same sessions at once, and no call fails', async () => {
    const { url, durable } = await open()
    const bounds = { events: 20, bytes: 100_000 }
    const ids = ['s0', 's1', 's2']
    for (const id of ids) await durable.write(`INSERT INTO portolan_session (id, owner_key, body, expires_at_ms) VALUES ($1, 'o', '{}', portolan_now_ms() + 600000)`, [id])
    const act = async (database: SqlDatabase, writer: number, round: number): Promise<void> => {
      const own = createEventStore(database)
      const id = ids[round % ids.length] ?? ''
      const events = Array.from({ length: 30 }, (_, at) => ({ streamId: 'a', eventId: `a_${(at * 7 + writer) % 40}`, text: '{}', isFinal: false }))
      if (writer < 4) await own.keep(id, events, 600_000, bounds)
      else if (writer === 4) await own.replace(id, 0, events, 600_000)
      else await own.dropSession(id)
    }
    expect(await stress(url, act)).toEqual({ failed: [], deadlocks: 0 })
  })
})
