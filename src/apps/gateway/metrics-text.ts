/** What a process says to whoever asks for its metrics: gauges are read then, of what its status says. */
import type { Metrics } from './metrics.ts'
import type { ProcessStatus } from './status.ts'

/** A server that a reload removed must not stay in the metrics. */
const SERVER_GAUGES = ['server_degraded', 'server_breaker_open', 'server_children', 'server_sessions', 'server_restarts'] as const

export function metricsText(metrics: Metrics, status: ProcessStatus): string {
  const { user, system } = process.cpuUsage()
  metrics.gauge('process_cpu_seconds', {}, (user + system) / 1e6)
  metrics.gauge('process_resident_bytes', {}, process.memoryUsage.rss())
  metrics.gauge('state_store_reachable', {}, status.store.reachable ? 1 : 0)
  if (status.replica !== null) metrics.gauge('hints_up', {}, status.replica.hints.isUp ? 1 : 0)
  metrics.gauge('sessions', {}, status.sessions)
  metrics.gauge('exchanges_in_flight', {}, status.exchangesInFlight)
  metrics.gauge('ledger_lost_records', {}, status.ledgerLostCount)
  for (const gauge of SERVER_GAUGES) metrics.dropGauge(gauge)
  for (const { name, state, breaker, children, sessions, restarts } of status.servers) {
    metrics.gauge('server_degraded', { server: name }, state === 'degraded' ? 1 : 0)
    metrics.gauge('server_breaker_open', { server: name }, breaker.state === 'closed' ? 0 : 1)
    metrics.gauge('server_children', { server: name }, children)
    metrics.gauge('server_sessions', { server: name }, sessions)
    metrics.gauge('server_restarts', { server: name }, restarts)
  }
  return metrics.text()
}
