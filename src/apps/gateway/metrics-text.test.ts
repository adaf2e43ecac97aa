import { describe, expect, it } from 'vitest'
import { metricsText } from './metrics-text.ts'
import { createMetrics } from './metrics.ts'
import type { ProcessStatus } from './status.ts'

const hintsOf = (isUp: boolean) => ({ wire: 'nats', isUp, detail: '' }) as const
const statusOf = (isWell: boolean): ProcessStatus => ({
  version: '1', pid: 1, startedAtMs: 1, state: 'ready', listening: [], auth: 'token', config: { source: '', digest: '', loadedAtMs: 1, refusal: '', elsewhere: '' },
  store: { name: '', reachable: isWell }, replica: { id: 'a', address: '', peers: [], unreachable: [], otherTokens: [], hints: hintsOf(isWell) },
  workers: [], sessions: 0, exchangesInFlight: 0, ledgerLostCount: 0, memoryBytes: 0, servers: [], virtualServers: [],
})

describe('the metrics of a replica', () => {
  it.each([[true, 1], [false, 0]] as const)('say whether hints reach the others and the database is there: %j', (isWell, gauge) => {
    const text = metricsText(createMetrics(), statusOf(isWell))
    for (const name of ['portolan_hints_up', 'portolan_state_store_reachable']) expect(text).toContain(`${name} ${gauge}\n`)
  })
})
