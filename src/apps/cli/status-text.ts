/** The picture of a running gateway for people: the process, its traffic, a table of servers, and what to do about those that are down. */

import type { ProcessStatus, ReplicaStatus, ServerStatus, WorkerStatus } from '../gateway/status.ts'
import { adviceFor } from './status-advice.ts'
import { safeLine, safeName } from './terminal/safe-text.ts'
import { tableText } from './terminal/table.ts'
import type { Column } from './terminal/table.ts'
import type { Format, Screen } from './terminal/terminal.ts'
import type { Traffic } from './traffic.ts'

/** What is shown, and when. */
export interface Picture {
  readonly status: ProcessStatus
  /** Undefined where the metrics could not be had. */
  readonly traffic: Traffic | undefined
  /** What the traffic is of: `since the start`. */
  readonly period: string
  readonly nowMs: number
  readonly canUnicode: boolean
}

const STATES: Readonly<Record<ServerStatus['state'], { readonly sign: string; readonly format: Format }>> = {
  ready: { sign: '●', format: 'green' },
  starting: { sign: '◌', format: 'cyan' },
  degraded: { sign: '✗', format: 'red' },
  stopped: { sign: '○', format: 'dim' },
}

/** Ends with a line break. Without signs and colours where nobody watches. */
export function statusText(screen: Screen, picture: Picture): string {
  const { status } = picture
  const parts = [headText(screen, picture), workersText(screen, picture), serversText(screen, picture), holdersText(status), virtualText(screen, status), ...status.servers.map((server) => troubleText(screen, server))]
  return parts.filter((part) => part !== '').join('\n')
}

function headText(screen: Screen, { status, traffic, period, nowMs }: Picture): string {
  const { version, pid, state, listening, config, store } = status
  const ready = screen.paint(state === 'ready' ? 'green' : 'yellow', state)
  const lines = [
    `Portolan ${version}, process ${pid}: ${ready} for ${durationText(nowMs - status.startedAtMs)}, on ${listening.join(' and ')}`,
    `Configuration: ${safeLine(config.source)} (${config.digest.slice(0, 12)}), read ${durationText(nowMs - config.loadedAtMs)} ago`,
  ]
  if (config.refusal !== '') lines.push(screen.paint('red', `The last reload was refused: ${safeLine(config.refusal)}`))
  if (config.elsewhere !== '') lines.push(screen.paint('yellow', `Another replica serves another configuration (${config.elsewhere.slice(0, 12)}): give all of them the same, and reload`))
  if (!store.reachable) lines.push(screen.paint('red', `The state cannot be reached: ${safeLine(store.name)}; new sessions are refused until it is back`))
  if (status.replica !== null) lines.push(replicaText(screen, status.replica))
  if (status.ledgerLostCount > 0) lines.push(screen.paint('red', `The ledger lost ${status.ledgerLostCount} records: see the log`))
  lines.push(`Now: ${status.exchangesInFlight} in flight, ${plural(status.sessions, 'session')}, ${mibText(status.memoryBytes)} of memory`)
  if (traffic !== undefined) lines.push(trafficText(screen, traffic, period))
  return `${lines.join('\n')}\n`
}

const WIRES: Readonly<Record<ReplicaStatus['hints']['wire'], string>> = { nats: 'NATS', postgres: 'PostgreSQL', workers: 'the supervisor' }

function replicaText(screen: Screen, { id, address, peers, unreachable, otherTokens, hints }: ReplicaStatus): string {
  const lines = [`Replica ${id.slice(0, 8)} at ${safeLine(address)}: ${plural(peers.length, 'peer')} asked, hints over ${WIRES[hints.wire]}`]
  for (const peer of unreachable) lines.push(screen.paint('red', `Replica ${peer.id.slice(0, 8)} at ${safeLine(peer.address)} lives and cannot be reached: what it has is refused here; see its --peer-listen and --peer-address`))
  for (const peer of otherTokens) lines.push(screen.paint('red', `Replica ${peer.slice(0, 8)} lets in another token: give all of them the same file "token"`))
  if (!hints.isUp) lines.push(screen.paint('red', `Hints do not reach the other replicas: ${safeLine(hints.detail)}; what changes is noticed later`))
  return lines.join('\n')
}

function trafficText(screen: Screen, traffic: Traffic, period: string): string {
  const { requests, perSec, refusedShare, p50Ms, p99Ms } = traffic
  if (requests === 0) return `Requests ${period}: none`
  const refused = `${percentText(refusedShare)} refused`
  const times = p50Ms === undefined || p99Ms === undefined ? '' : `, p50 ${msText(p50Ms)}, p99 ${msText(p99Ms)}`
  return `Requests ${period}: ${requests}, ${rateText(perSec)} a second, ${refusedShare > 0.05 ? screen.paint('yellow', refused) : refused}${times}`
}

function serversText(screen: Screen, { status, canUnicode }: Picture): string {
  if (status.servers.length === 0) return 'No server is enabled. Add one with: portolan add <name> -- <command>\n'
  const withSigns = screen.isTty && canUnicode
  const columns: readonly Column[] = [
    { title: 'SERVER', isFlexible: true },
    { title: 'KIND', isExtra: true },
    { title: 'STATE', format: (cell) => STATES[stateIn(cell)].format },
    { title: 'ERAS' },
    ...['TOOLS', 'PROMPTS', 'RESOURCES', 'CHILDREN', 'SESSIONS', 'RESTARTS'].map((title) => ({ title, align: 'right' as const, isExtra: title === 'PROMPTS' || title === 'RESOURCES' })),
  ]
  const rows = status.servers.map((server) => {
    const { name, transport, state, eras, counts, children, sessions, restarts } = server
    const sign = withSigns ? `${STATES[state].sign} ` : ''
    const resources = counts.resources === null ? null : counts.resources + (counts.templates ?? 0)
    return [name, transport, `${sign}${state}`, eras.join('+') || '-', countText(counts.tools), countText(counts.prompts), countText(resources), String(children), String(sessions), String(restarts)]
  })
  return tableText(screen, columns, rows)
}

/** Of servers of which there is one set of children for all replicas: where it is. */
function holdersText({ servers, replica, workers }: ProcessStatus): string {
  const nameOf = (holder: string): string => {
    const worker = workers.find((one) => one.replica?.id === holder)
    if (worker !== undefined) return `worker ${worker.number}`
    return holder === replica?.id ? 'this replica' : `replica ${holder.slice(0, 8)}`
  }
  const lines = servers.flatMap(({ name, holder }) => {
    if (holder === undefined) return []
    if (holder === '') return `${safeName(name)} runs at no replica: the next one that needs it starts it`
    return `${safeName(name)} runs at ${nameOf(holder)}, for all of them`
  })
  return lines.map((line) => `${line}\n`).join('')
}

const WORKER_FORMATS: Readonly<Record<WorkerStatus['state'], Format>> = { ready: 'green', starting: 'cyan', draining: 'yellow', waiting: 'red' }

function workersText(screen: Screen, { status, nowMs }: Picture): string {
  if (status.workers.length === 0) return ''
  const columns: readonly Column[] = [
    { title: 'WORKER', align: 'right' },
    { title: 'PROCESS', align: 'right' },
    { title: 'STATE', format: (cell) => Object.entries(WORKER_FORMATS).find(([state]) => state === cell)?.[1] ?? 'dim' },
    ...['SINCE', 'IN FLIGHT', 'SESSIONS', 'MEMORY', 'RESTARTS'].map((title) => ({ title, align: 'right' as const })),
  ]
  const rows = status.workers.map(({ number, pid, state, startedAtMs, exchangesInFlight, sessions, memoryBytes, restarts }) => [
    String(number), pid === 0 ? '-' : String(pid), state, durationText(nowMs - startedAtMs), String(exchangesInFlight), String(sessions), mibText(memoryBytes), String(restarts),
  ])
  return tableText(screen, columns, rows)
}

function mibText(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`
}

function stateIn(cell: string): ServerStatus['state'] {
  return (Object.keys(STATES) as ServerStatus['state'][]).find((state) => cell.endsWith(state)) ?? 'stopped'
}

function virtualText(screen: Screen, { virtualServers }: ProcessStatus): string {
  if (virtualServers.length === 0) return ''
  const columns: readonly Column[] = [{ title: 'VIRTUAL SERVER' }, { title: 'OF', isFlexible: true }, ...['TOOLS', 'PROMPTS', 'RESOURCES'].map((title) => ({ title, align: 'right' as const }))]
  const rows = virtualServers.map(({ name, servers, counts }) => [name, servers.join(', '), countText(counts.tools), countText(counts.prompts), countText(counts.resources)])
  const notices = virtualServers.flatMap(({ name, notices: of }) => of.map((notice) => `${screen.paint('yellow', safeName(name))}: ${safeLine(notice)}\n`))
  return tableText(screen, columns, rows) + notices.join('')
}

/** What a server that is down said last, and what helps: reasons are too long for a column. */
function troubleText(screen: Screen, server: ServerStatus): string {
  const advice = adviceFor(server)
  return advice === '' ? '' : `${screen.paint('red', `${server.name} is degraded`)}: ${safeName(server.detail)}\n  ${advice}\n`
}

/** A list that nobody has asked for is not known. */
export function countText(count: number | null): string {
  return count === null ? '-' : String(count)
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

export function durationText(ms: number): string {
  const sec = Math.max(0, Math.floor(ms / 1_000))
  if (sec < 60) return `${sec} s`
  if (sec < 3_600) return `${Math.floor(sec / 60)} min`
  if (sec < 86_400) return `${Math.floor(sec / 3_600)} h ${Math.floor((sec % 3_600) / 60)} min`
  return `${Math.floor(sec / 86_400)} d ${Math.floor((sec % 86_400) / 3_600)} h`
}

function percentText(share: number): string {
  const percent = share * 100
  return `${percent === 0 || percent >= 10 ? Math.round(percent) : percent.toFixed(1)} %`
}

function rateText(perSec: number): string {
  return perSec >= 10 ? String(Math.round(perSec)) : perSec.toFixed(1)
}

function msText(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  return ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`
}
