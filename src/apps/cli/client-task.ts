/** Calls as tasks: asked for where the era lets a client ask, and left behind with `--detach`. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { Connection, RequestOptions } from '../client/connection.ts'
import { shellWord } from '../client/describe.ts'
import type { RawResult } from '../client/tap.ts'
import { createdTaskId } from '../client/task.ts'
import { writeJson } from './client-lists.ts'
import type { ClientFlags } from './client-options.ts'
import { exampleTail, fullName } from './client-session.ts'
import type { Session, Source } from './client-session.ts'
import { safeName } from './terminal/safe-text.ts'

export interface TaskFlags {
  readonly task?: boolean
  /** In ms. */
  readonly ttl?: number
  readonly detach?: boolean
}

type Place = Pick<Session, 'portolan' | 'sources'>
type Asked = Pick<RequestOptions, 'task' | 'isDetached'>

/** What is asked for with a call of this tool. A note says what the server or the era has no word for. */
export function taskAsked(session: Session, connection: Connection, tool: JsonObject, flags: TaskFlags): Asked {
  const { task, ttl: ttlMs, detach: isDetached = false } = flags
  const isWanted = task === true || ttlMs !== undefined || isDetached
  if (connection.era === 'modern') {
    if (ttlMs !== undefined) session.note('In 2026-07-28 the server decides for how long a task is kept: --ttl is not sent.', 'yellow')
    return { isDetached }
  }
  const support = makesTasks(connection) ? supportOf(tool) : 'forbidden'
  // S25 tasks, Tool-Level Negotiation: where it is forbidden it must not be tried, where it is required it must.
  if (support === 'forbidden') {
    if (isWanted) session.note('The server makes no tasks of this tool: it is called without one.', 'yellow')
    return {}
  }
  return isWanted || support === 'required' ? { task: { ttlMs }, isDetached } : {}
}

function makesTasks({ capabilities }: Connection): boolean {
  return ['requests', 'tools', 'call'].reduce<unknown>((value, key) => (isJsonObject(value) ? value[key] : undefined), capabilities['tasks']) !== undefined
}

function supportOf({ execution }: JsonObject): unknown {
  const support = isJsonObject(execution) ? execution['taskSupport'] : undefined
  return support === 'optional' || support === 'required' ? support : 'forbidden'
}

/** Says what was left behind, and how to follow it; false where there is a result instead. */
export function leaveTask(session: Session, { source, connection, result, asked, flags }: { readonly source: Source; readonly connection: Connection; readonly result: RawResult; readonly asked: Asked; readonly flags: ClientFlags & TaskFlags }): boolean {
  if (flags.detach !== true) return false
  const taskId = createdTaskId('tools/call', result, connection.era, asked.task !== undefined)
  if (taskId === undefined) {
    if (connection.era === 'modern') session.note('The server made no task of the call: this is its result.')
    return false
  }
  connection.leave()
  if (flags.json === true) writeJson(session, result.text)
  else session.terminal.out.write(`${safeName(fullName(session, source, taskId))}\n`)
  session.note(followHint(session, { source, connection, taskId, flags }))
  if (source.target.kind === 'stdio') session.note('Its server ends with this command: the task goes on only where the server keeps it.', 'yellow')
  return true
}

/** The id is a server's word, and what is printed is to be pasted: it stays one line. */
export function followHint(session: Place, { source, connection, taskId, flags }: { readonly source: Pick<Source, 'label'>; readonly connection: Pick<Connection, 'era'>; readonly taskId: string; readonly flags: ClientFlags }): string {
  return `Follow it with: portolan follow ${shellWord(safeName(fullName(session, source, taskId)))}${wayTail(session, connection, flags)}`
}

/** An id means nothing in the other era of most servers, nor at another one. */
export function wayTail(session: Place, { era }: Pick<Connection, 'era'>, flags: ClientFlags): string {
  const isAsked = flags.era !== 'auto' || flags.revision !== undefined
  return `${isAsked ? ` --era ${era}` : ''}${reachTail(session, flags)}${exampleTail(session, flags)}`
}

/** What was given to reach it. A secret that was given in plain is not shown: it is to be filled in. */
function reachTail({ portolan }: Place, { data, socket, token, header = [] }: ClientFlags): string {
  const given: readonly (readonly [flag: string, value: string | undefined])[] = [
    ['--data', portolan === undefined ? undefined : data],
    ['--socket', portolan === undefined ? undefined : socket],
    ['--token', token === undefined || /^(?:env|file):/.test(token) ? token : '…'],
    ...header.map((text) => ['--header', text.replace(/:[^]*$/, ': …')] as const),
  ]
  return given.map(([flag, value]) => (value === undefined ? '' : ` ${flag} ${shellWord(value)}`)).join('')
}
