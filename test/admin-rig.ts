/** An admin API of a test: on a listener beside an MCP handler that must never be reached, over a task store in memory. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { createHttpListener } from '../src/adapters/http/listener.ts'
import type { HttpListener, HttpListenerOptions } from '../src/adapters/http/listener.ts'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { createHints } from '../src/adapters/memory/hints.ts'
import { createMemoryLedger } from '../src/adapters/memory/ledger.ts'
import { createSeededRandom } from '../src/adapters/memory/random.ts'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createAdminDoor } from '../src/apps/admin/admin-door.ts'
import type { AdminSource } from '../src/apps/admin/admin-route.ts'
import { makeOperator, OPERATORS_FILE, operatorsText } from '../src/apps/admin/operators.ts'
import type { Operator } from '../src/apps/admin/operators.ts'
import type { ProcessStatus } from '../src/apps/gateway/status.ts'
import { createTaskOperations } from '../src/core/task/task-operations.ts'
import { createTasks } from '../src/core/task/tasks.ts'

const STATUS: ProcessStatus = {
  version: '1.2.3', pid: 1, startedAtMs: 0, state: 'ready', listening: [], auth: 'token', store: { name: 'SQLite in /data', reachable: true }, replica: null, workers: [], sessions: 0, exchangesInFlight: 0, ledgerLostCount: 0, memoryBytes: 1, servers: [], virtualServers: [],
  config: { source: 'x', digest: 'd', loadedAtMs: 0, refusal: '', elsewhere: '' },
}

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** Replaced, as every edit does: whoever looks sees another file. */
export function writeOperators(path: string, operators: readonly Operator[]): void {
  writeFileSync(`${path}.new`, operatorsText(operators), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

export interface AdminRigOptions {
  readonly listener?: Partial<HttpListenerOptions>
  /** Beyond what the rig has. */
  readonly source?: Partial<AdminSource>
}

export interface AdminAsk {
  readonly verb?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** One operator, `alice`; `ask` brings her token unless other headers are given. */
export async function startAdminRig({ listener: options, source: more }: AdminRigOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-admin-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const operatorsPath = join(folder, OPERATORS_FILE)
  const alice = makeOperator('alice')
  writeOperators(operatorsPath, [alice.operator])
  const clock = createManualClock(1_700_000_000_000)
  const store = createTaskStore(clock)
  const tasks = createTasks({ store, clock, hints: createHints(), bounds: () => ({ live: 100, total: 100, bytes: 1e9 }) })
  const ledger = createMemoryLedger(1_000)
  const logged: string[] = []
  const note = (fields: unknown, message: string): void => void logged.push(`${message} ${JSON.stringify(fields)}`)
  const log = { debug: note, info: note, warn: note, error: note, event: () => {} }
  let loads = 0
  const source: AdminSource = {
    status: () => (loads++, STATUS), metrics: () => 'portolan_up 1\n', reload: () => ({ outcome: 'refused', source: 'x', problems: [] }), replicas: async () => [],
    tasks: createTaskOperations(store, tasks, createSeededRandom(3)), ledger, clock, random: createSeededRandom(4), log, ...more,
  }
  const door = createAdminDoor(source, { operatorsPath, publicUrl: options?.publicUrl })
  const reached: string[] = []
  const listener: HttpListener = createHttpListener(
    { listen: { host: '127.0.0.1', port: 0 }, maxLagMs: 0, ...options },
    { mcp: { handle: (request, response, refusal) => (reached.push(request.path), response.answer(refusal === undefined ? 404 : 403, {}, 'mcp')) }, routes: [door.publicRoute], log, clock: createSystemClock() },
  )
  closers.push(() => listener.close())
  const [address] = await listener.listen()
  const port = address?.kind === 'tcp' ? address.port : 0
  const headers = { authorization: `Bearer ${alice.token}` }
  const ask = (path: string, { verb = 'GET', headers: given = headers }: AdminAsk = {}): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`, { method: verb, headers: given })
  return { folder, operatorsPath, alice, clock, store, tasks, ledger, logged, source, door, listener, port, reached, ask, headers, statusCount: () => loads }
}

export type AdminRig = Awaited<ReturnType<typeof startAdminRig>>
