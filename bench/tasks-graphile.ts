// graphile-worker on the same PostgreSQL, with what Portolan keeps too: each job's task writes its result into a row of its own.
import { setTimeout as sleep } from 'node:timers/promises'
import { Logger, run, WorkerPreset } from 'graphile-worker'
import { Pool } from 'pg'
import { REQUEST_ARGUMENT, RESULT_TEXT } from './tasks-engine.ts'
import type { EngineName, TaskEngine } from './tasks-engine.ts'

type GraphileEngine = Extract<EngineName, `graphile${string}`>

/** Both with prepared statements; `tuned` takes and completes jobs in batches, as its own page on performance says. */
const WORKER: Readonly<Record<GraphileEngine, GraphileConfig.WorkerOptions>> = {
  graphile: {},
  'graphile-tuned': { localQueue: { size: 64 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
}
/** 10 at a time and 64 were no faster, nor were 64 over fewer connections. */
const CONCURRENT_JOBS = 24
const POOL_SIZE = CONCURRENT_JOBS + 2
const STORE_RESULT = { name: 'store-result', text: 'INSERT INTO bench_result (id, result) VALUES ($1, $2)' }
const SETTLE_MS = 30_000

interface Waiting {
  readonly started: () => void
  readonly ended: () => void
}

export async function openGraphile(name: GraphileEngine, url: string): Promise<TaskEngine> {
  const pool = new Pool({ connectionString: url, max: POOL_SIZE })
  pool.on('error', () => undefined)
  pool.on('connect', (client) => client.on('error', () => undefined))
  const waiting = new Map<string, Waiting>()
  const runner = await run({
    pgPool: pool,
    noHandleSignals: true,
    preset: { extends: [WorkerPreset], worker: { concurrentJobs: CONCURRENT_JOBS, maxPoolSize: POOL_SIZE, logger: new Logger(() => () => undefined), ...WORKER[name] } },
    parsedCronItems: [],
    taskList: {
      async answer(payload, helpers) {
        const { id } = payload as { readonly id: string }
        waiting.get(id)?.started()
        await helpers.withPgClient((client) => client.query({ ...STORE_RESULT, values: [id, RESULT_TEXT] }))
        waiting.get(id)?.ended()
      },
    },
  })
  runner.promise.catch((error: unknown) => {
    console.error(error)
    process.exit(1)
  })

  return {
    async run(id, callerKey, started) {
      const isOver = new Promise<void>((ended) => waiting.set(id, { started, ended }))
      await runner.addJob('answer', { id, callerKey, text: REQUEST_ARGUMENT }, { maxAttempts: 3 })
      await isOver
      waiting.delete(id)
    },
    /** A job's row goes after its result has come. */
    async settle() {
      const untilMs = performance.now() + SETTLE_MS
      for (;;) {
        const { rows: [left] } = await pool.query<{ readonly jobs: number }>('SELECT COUNT(*)::INTEGER AS jobs FROM graphile_worker._private_jobs')
        if (left?.jobs === 0) return
        if (performance.now() > untilMs) throw new Error('jobs were left')
        await sleep(1)
      }
    },
    async close() {
      await runner.stop()
      await pool.end()
    },
  }
}
