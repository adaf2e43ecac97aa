/** `portolan status <server>`: everything that is known of one server, for people. */

import type { EraStatus } from '../../core/catalog/server-status.ts'
import type { VirtualServerStatus } from '../../core/catalog/virtual-report.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { ServerStatus } from '../gateway/status.ts'
import { adviceFor } from './status-advice.ts'
import { countText, durationText, plural } from './status-text.ts'
import { safeLine, safeName, safeText } from './terminal/safe-text.ts'
import { tableText } from './terminal/table.ts'
import type { Screen } from './terminal/terminal.ts'
import { foldText } from './terminal/text-width.ts'

const SHOWN_NAMES = 10
const SHOWN_LINES = 20

/** Ends with a line break. */
export function serverText(screen: Screen, server: ServerStatus, nowMs: number): string {
  const parts = [
    headText(screen, server, nowMs),
    erasText(screen, server),
    childrenText(screen, server, nowMs),
    namesText(screen, server),
    instructionsText(screen, server),
    faultsText(screen, server, nowMs),
  ]
  return parts.filter((part) => part !== '').join('\n')
}

export function virtualServerText(screen: Screen, { name, servers, counts, notices }: VirtualServerStatus): string {
  const title = `${screen.paint('bold', safeName(name))}: a virtual server over ${servers.map(safeName).join(', ')}`
  const lines = [title, countsText(counts), ...notices.map((notice) => `${screen.paint('yellow', '!')} ${safeLine(notice)}`)]
  return `${lines.join('\n')}\n`
}

function headText(screen: Screen, server: ServerStatus, nowMs: number): string {
  const { id, name, transport, state, sessions, restarts, lastSeenAtMs, counts, detail } = server
  const title = `${screen.paint('bold', safeName(name))}${id === name ? '' : ` (id ${safeName(id)})`}: ${screen.paint(state === 'ready' ? 'green' : 'red', state)}, ${transport}`
  const seen = lastSeenAtMs === 0 ? 'never answered' : `last answered ${durationText(nowMs - lastSeenAtMs)} ago`
  const lines = [title, `${plural(sessions, 'session')}, ${plural(restarts, 'restart')}, ${seen}`, countsText(counts)]
  if (detail !== '') lines.push(`${screen.paint('red', safeName(detail))}`, `  ${adviceFor(server)}`)
  return `${lines.join('\n')}\n`
}

function countsText(counts: ServerStatus['counts']): string {
  const known = Object.values(counts).some((count) => count !== null)
  // Few servers have skills, and few clients ask for them.
  const shown = Object.entries(counts).filter(([kind, count]) => kind !== 'skills' || (count ?? 0) > 0)
  const text = shown.map(([kind, count]) => `${kind} ${countText(count)}`).join(', ')
  return known ? `Lists: ${text}` : 'Lists: no client has asked for them yet'
}

function erasText(screen: Screen, { legacy, modern }: ServerStatus): string {
  const eras = [legacy, modern].filter((era) => era !== null)
  const rows = eras.map((era) => [era.revision, nameOf(era.serverInfo), capabilitiesText(era)])
  return eras.length === 0 ? '' : tableText(screen, [{ title: 'REVISION' }, { title: 'CALLS ITSELF' }, { title: 'CAPABILITIES', isFlexible: true }], rows)
}

function nameOf({ name, version }: JsonObject): string {
  return [name, version].filter((part) => typeof part === 'string').join(' ')
}

/** `tools (listChanged), prompts`. */
function capabilitiesText({ capabilities }: EraStatus): string {
  const named = Object.entries(capabilities).map(([name, value]) => {
    const inner = typeof value === 'object' && value !== null ? Object.keys(value) : []
    return inner.length === 0 ? name : `${name} (${inner.join(', ')})`
  })
  return named.join(', ') || 'none'
}

function childrenText(screen: Screen, { processes, transport }: ServerStatus, nowMs: number): string {
  if (transport !== 'stdio') return ''
  if (processes.length === 0) return 'No child process runs; the next call starts one.\n'
  const rows = processes.map(({ pid, era, startedAtMs }) => [String(pid), era, durationText(nowMs - startedAtMs)])
  return tableText(screen, [{ title: 'CHILD', align: 'right' }, { title: 'ERA' }, { title: 'AGE' }], rows)
}

function namesText(screen: Screen, { names, listFaults }: ServerStatus): string {
  const rows = names.slice(0, SHOWN_NAMES).map(({ name, exposedAs, why }) => [name, exposedAs, why])
  const more = names.length > SHOWN_NAMES ? `and ${names.length - SHOWN_NAMES} more: portolan status --json\n` : ''
  const table = names.length === 0 ? '' : tableText(screen, [{ title: 'NAME', isFlexible: true }, { title: 'ON /mcp' }, { title: 'BECAUSE OF' }], rows) + more
  return table + listFaults.map((fault) => `${screen.paint('yellow', '!')} ${safeLine(fault)}\n`).join('')
}

function instructionsText(screen: Screen, { legacy, modern }: ServerStatus): string {
  const text = modern?.instructions || legacy?.instructions || ''
  const lines = safeText(text).trim().split('\n')
  const shown = lines.slice(0, SHOWN_LINES).flatMap((line) => (screen.isTty ? foldText(line, screen.width() - 2) : [line])).map((line) => `  ${line}\n`).join('')
  return text === '' ? '' : `${screen.paint('bold', 'Instructions')}\n${shown}${lines.length > SHOWN_LINES ? `  … and ${lines.length - SHOWN_LINES} lines more\n` : ''}`
}

function faultsText(screen: Screen, { faults }: ServerStatus, nowMs: number): string {
  const lines = faults.toReversed().map(({ atMs, detail }) => `  ${durationText(nowMs - atMs)} ago: ${safeName(detail)}\n`)
  return lines.length === 0 ? '' : `${screen.paint('bold', 'Last errors')}\n${lines.join('')}`
}
