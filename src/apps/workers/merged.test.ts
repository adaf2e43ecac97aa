import { describe, expect, it } from 'vitest'
import type { ProcessStatus, ReplicaStatus, ServerStatus } from '../gateway/status.ts'
import { mergedMetrics } from './merged-metrics.ts'
import { mergedReload } from './merged-reload.ts'
import { mergedStatus } from './merged-status.ts'
import type { SlotStatus } from './merged-status.ts'

const server: ServerStatus = {
  id: 'files', name: 'files', transport: 'stdio', state: 'ready', detail: '', eras: ['modern'], children: 1, sessions: 2, restarts: 3, lastSeenAtMs: 10, breaker: { state: 'closed', failures: 0, retryAfterMs: 0 },
  processes: [{ pid: 41, era: 'modern', startedAtMs: 5 }], faults: [], counts: { tools: null, prompts: null, resources: null, templates: null, skills: null }, legacy: null, modern: null, names: [], listFaults: [],
}
const status: ProcessStatus = {
  version: '1', pid: 1, startedAtMs: 1, state: 'ready', listening: ['http://127.0.0.1:7400'], auth: 'token', config: { source: 'p.json', digest: 'd', loadedAtMs: 1, refusal: '', elsewhere: '' },
  store: { name: 'SQLite', reachable: true }, replica: null, workers: [], sessions: 1, exchangesInFlight: 2, ledgerLostCount: 0, memoryBytes: 100, servers: [server], virtualServers: [],
}
const supervisor = { pid: 9, startedAtMs: 0, memoryBytes: 50, isStopping: false }
const workerOf = (number: number, of: ProcessStatus | undefined): SlotStatus => ({
  slot: { number, state: of === undefined ? 'starting' : 'ready', running: { pid: 100 + number, kill: () => undefined, leave: () => undefined }, startedAtMs: 0, restarts: number }, status: of,
})

describe('the status of several workers', () => {
  it('is that of one Portolan: sums, and what any of them knows', () => {
    const other: ProcessStatus = { ...status, sessions: 4, memoryBytes: 200, servers: [{ ...server, processes: [{ pid: 42, era: 'modern', startedAtMs: 4 }], counts: { ...server.counts, tools: 12 }, lastSeenAtMs: 20 }] }
    const merged = mergedStatus([workerOf(1, status), workerOf(2, other), workerOf(3, undefined)], supervisor)
    expect(merged).toMatchObject({ pid: 9, state: 'ready', sessions: 5, exchangesInFlight: 4, memoryBytes: 350 })
    expect(merged?.servers).toMatchObject([{ state: 'ready', children: 2, sessions: 4, restarts: 6, lastSeenAtMs: 20, counts: { tools: 12, prompts: null }, processes: [{ pid: 42 }, { pid: 41 }] }])
    expect(merged?.workers.map(({ number, state, pid, sessions, restarts }) => [number, state, pid, sessions, restarts])).toEqual([[1, 'ready', 101, 1, 1], [2, 'ready', 102, 4, 2], [3, 'starting', 103, 0, 3]])
  })

  it.each([{ unreachable: [{ id: 'x', address: 'tls://a:1' }] }, { otherTokens: ['x'] }])('names a replica that one of them does not get on with: %j', (wrong) => {
    const well = { id: 'r', address: 'unix:/x', peers: [], unreachable: [], otherTokens: [], hints: { wire: 'postgres', isUp: true, detail: '' } } as const
    const merged = (replica: ReplicaStatus) => mergedStatus([workerOf(1, { ...status, replica: well }), workerOf(2, { ...status, replica })], supervisor)?.replica
    expect(merged(well)).toBeNull()
    expect(merged({ ...well, ...wrong })).toMatchObject(wrong)
  })

  it('shows what is wrong with any of them', () => {
    const replica = { id: 'r', address: 'unix:/x', peers: [], unreachable: [], otherTokens: [], hints: { wire: 'postgres', isUp: false, detail: 'lost' } } as const
    const bad: ProcessStatus = {
      ...status, replica, ledgerLostCount: 3, config: { ...status.config, refusal: 'bad' }, store: { name: 'SQLite', reachable: false },
      servers: [{ ...server, state: 'degraded', detail: 'gone', breaker: { state: 'open', failures: 9, retryAfterMs: 5 }, faults: [{ atMs: 1, detail: 'gone' }] }],
    }
    expect(mergedStatus([workerOf(1, status), workerOf(2, bad)], supervisor)).toMatchObject({
      replica, ledgerLostCount: 3, config: { refusal: 'bad' }, store: { reachable: false }, servers: [{ state: 'degraded', detail: 'gone', breaker: { state: 'open' }, faults: [{ detail: 'gone' }] }],
    })
    expect(mergedStatus([workerOf(1, status)], { ...supervisor, isStopping: true })?.state).toBe('draining')
    expect(mergedStatus([workerOf(1, { ...status, state: 'draining' }), workerOf(2, status)], supervisor)?.state).toBe('ready')
  })

  it('cannot be had where none answers', () => {
    expect(mergedStatus([workerOf(1, undefined)], supervisor)).toBeUndefined()
  })
})

describe('the metrics of several workers', () => {
  it('stand under one head for each, with the number of their worker', () => {
    const text = (sessions: number): string => `# TYPE portolan_sessions gauge\nportolan_sessions ${sessions}\n# TYPE portolan_x_ms histogram\nportolan_x_ms_bucket{era="modern",le="+Inf"} 3\nportolan_x_ms_sum{era="modern"} 0.5\n`
    const slots = [{ number: 1, state: 'ready', restarts: 0 }, { number: 2, state: 'waiting', restarts: 4 }] as const
    expect(mergedMetrics([{ number: 1, text: text(1) }, { number: 2, text: text(2) }], slots)).toBe(`# TYPE portolan_sessions gauge
portolan_sessions{worker="1"} 1
portolan_sessions{worker="2"} 2
# TYPE portolan_x_ms histogram
portolan_x_ms_bucket{era="modern",le="+Inf",worker="1"} 3
portolan_x_ms_sum{era="modern",worker="1"} 0.5
portolan_x_ms_bucket{era="modern",le="+Inf",worker="2"} 3
portolan_x_ms_sum{era="modern",worker="2"} 0.5
# TYPE portolan_worker_up gauge
portolan_worker_up{worker="1"} 1
portolan_worker_up{worker="2"} 0
# TYPE portolan_worker_restarts gauge
portolan_worker_restarts{worker="1"} 0
portolan_worker_restarts{worker="2"} 4
`)
  })
})

describe('a reload of several workers', () => {
  it('was refused where one refused, and else changed what it changed at any', () => {
    const change = { added: ['a'], removed: [], changed: [], renamed: [], settings: [], atNextStart: [] }
    const [unchanged, changed, refused] = [
      { outcome: 'unchanged', source: 's', digest: 'd', change: { ...change, added: [] } }, { outcome: 'changed', source: 's', digest: 'd', change }, { outcome: 'refused', source: 's', problems: [] },
    ] as const
    expect(mergedReload([unchanged, changed])).toBe(changed)
    expect(mergedReload([unchanged, changed, refused])).toBe(refused)
    expect(mergedReload([])).toBeUndefined()
  })
})
