/** What a process says to whoever asks for its metrics: gauges are read then, of what its status says. */
import type { Metrics } from './metrics.ts'
import type { ProcessStatus } from './status.ts'

/** A server that a reload removed must not stay in the metrics. */
const SERVER_GAUGES = ['portolan_server_degraded', 'portolan_server_breaker_open', 'portolan_server_children', 'portolan_server_sessions', 'portolan_server_restarts'] as const

export function metricsText(metrics: Metrics, status: ProcessStatus): string {
  const { user, system } = process.cpuUsage()
  metrics.gauge('portolan_process_cpu_seconds', {}, (user + system) / 1e6)
  metrics.gauge('portolan_process_resident_bytes', {}, process.memoryUsage.rss())
  metrics.gauge('portolan_state_store_reachable', {}, status.store.reachable ? 1 : 0)
  if (status.replica !== null) metrics.gauge('portolan_hints_up', {}, status.replica.hints.isUp ? 1 : 0)
  metrics.gauge('portolan_sessions', {}, status.sessions)
  metrics.gauge('portolan_exchanges_in_flight', {}, status.exchangesInFlight)
  metrics.gauge('portolan_ledger_lost_records', {}, status.ledgerLostCount)
  for (const gauge of SERVER_GAUGES) metrics.dropGauge(gauge)
  for (const { name, state, breaker, children, sessions, restarts } of status.servers) {
    metrics.gauge('portolan_server_degraded', { server: name }, state === 'degraded' ? 1 : 0)
    metrics.gauge('portolan_server_breaker_open', { server: name }, breaker.state === 'closed' ? 0 : 1)
    metrics.gauge('portolan_server_children', { server: name }, children)
    metrics.gauge('portolan_server_sessions', { server: name }, sessions)
    metrics.gauge('portolan_server_restarts', { server: name }, restarts)
  }
  return metrics.text()
}
