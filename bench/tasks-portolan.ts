// Portolan's own machinery of tasks over PostgreSQL, as a replica has it (store, runner, sweep, hints), without the gateway around it.
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { createNoTelemetry } from '../src/adapters/memory/telemetry.ts'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createPostgresHints } from '../src/adapters/postgres/hints.ts'
import { createTaskStore } from '../src/adapters/sql/task-store.ts'
import { isOverPhase } from '../src/core/task/stored-task.ts'
import type { TaskOrigin } from '../src/core/task/stored-task.ts'
import { createTaskRunner } from '../src/core/task/task-runner.ts'
import type { TaskRunnerDeps } from '../src/core/task/task-runner.ts'
import { startTaskSweep } from '../src/core/task/task-sweep.ts'
import { createTasks } from '../src/core/task/tasks.ts'
import { REQUEST_ARGUMENT, RESULT_TEXT } from './tasks-engine.ts'
import type { EngineName, TaskEngine } from './tasks-engine.ts'

const LEASE_MS = 15_000
const HOUR_MS = 3_600_000
/** No quota is to end the measurement. */
const BOUNDS = { live: 1e6, total: 1e6, bytes: 1e12 }

type PortolanEngine = Extract<EngineName, `portolan${string}`>

/** `isRepeatable`: as jobs of other queues, which may run twice. Else each attempt is marked, durably, before it begins. */
const MODES: Readonly<Record<PortolanEngine, { readonly isClaimed: boolean; readonly isRepeatable: boolean }>> = {
  portolan: { isClaimed: false, isRepeatable: true },
  'portolan-once': { isClaimed: false, isRepeatable: false },
  'portolan-claimed': { isClaimed: true, isRepeatable: true },
}

export function originOf(ownerKey: string, isRepeatable: boolean): TaskOrigin {
  return {
    ownerKey, bindingKey: ownerKey, label: ownerKey, scopes: [], endpoint: 'bench', scope: '', upstreamId: 'bench', tool: 'answer',
    requestText: JSON.stringify({ jsonrpc: '2.0', id: 0, method: 'tools/call', params: { name: 'answer', arguments: { text: REQUEST_ARGUMENT } } }),
    terms: {
      ttlMs: HOUR_MS, retentionMs: HOUR_MS, deadlineMs: HOUR_MS, attemptMs: 60_000, maxAttempts: 3, retryOn: ['transport', 'busy'], retryCodes: [],
      baseDelayMs: 1_000, maxDelayMs: 60_000, isRepeatable,
    },
  }
}

export async function openPortolan(name: PortolanEngine, url: string): Promise<TaskEngine> {
  const { isClaimed, isRepeatable } = MODES[name]
  const databases = await openPostgres({ url })
  const clock = createSystemClock()
  const random = createSystemRandom()
  const telemetry = createNoTelemetry()
  const hints = createPostgresHints({ url, clock, random, telemetry })
  const store = createTaskStore(databases.durable)
  const tasks = createTasks({ store, clock, hints, bounds: () => BOUNDS })
  const replicaId = random.id()
  const starts = new Map<string, () => void>()

  const begin: TaskRunnerDeps['begin'] = ({ id }, sink) => {
    sink.dispatch().then((isOurs) => {
      if (!isOurs) return
      starts.get(id)?.()
      sink.end({ kind: 'completed', resultText: RESULT_TEXT })
    }, fail)
    return { abort: (reason) => fail(new Error(reason)) }
  }
  const lost = (reason: string): { readonly errorText: string; readonly message: string } => ({ errorText: JSON.stringify({ code: -32_000, message: reason }), message: reason })
  const runner = createTaskRunner({ store, tasks, clock, random, telemetry, log: () => undefined, replicaId, begin, lost, leaseMs: LEASE_MS, isAlive: async () => false })
  const stopSweep = startTaskSweep({ store, tasks, clock, random, telemetry, overdueText: '{}', isElected: async () => true, onError: fail })

  return {
    async run(id, callerKey, started) {
      starts.set(id, started)
      const isOver = new Promise<void>((resolve) => {
        const stop = tasks.watch(id, (phase) => {
          if (phase === undefined || !isOverPhase(phase)) return
          stop()
          resolve()
        })
      })
      const lease = isClaimed ? undefined : { holder: replicaId, leaseMs: LEASE_MS, isDispatched: !isRepeatable }
      const making = await tasks.make({ id, origin: originOf(callerKey, isRepeatable), idempotency: undefined, lease })
      if (making.kind !== 'made') throw new Error(`a task was not made: ${making.kind}`)
      if (!isClaimed) runner.take(making, begin)
      await isOver
      starts.delete(id)
    },
    settle: () => Promise.resolve(),
    async close() {
      stopSweep()
      runner.close()
      await hints.close()
      await databases.close()
    },
  }
}

/** One wrong task, and there is no figure. */
function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}
