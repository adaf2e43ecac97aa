/** Follows a task that an earlier call left behind: to its result, to how it is now, or to its end. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { Connection } from '../client/connection.ts'
import { shellWord } from '../client/describe.ts'
import { openFor, request, showOutcome } from './client-call.ts'
import { missingWord, writeJson } from './client-lists.ts'
import type { InputFlags } from './client-options.ts'
import { fullName, splitName } from './client-session.ts'
import type { Session } from './client-session.ts'
import { wayTail } from './client-task.ts'
import { safeLine, safeName } from './terminal/safe-text.ts'

export interface FollowFlags extends InputFlags {
  readonly status?: boolean
  readonly cancel?: boolean
}

export async function followByName(session: Session, flags: FollowFlags): Promise<void> {
  const { server, rest: taskId } = splitName(session, session.words[0])
  if (taskId === undefined || taskId === '') throw missingWord('task', `portolan follow ${session.portolan === undefined ? '<task>' : '<server>/<task>'}: portolan call --detach prints it.`)
  const source = session.source(server)
  const connection = await openFor(session, source, flags)
  if (flags.status === true || flags.cancel === true) return sayState(session, connection, { flags, taskId })
  const label = fullName(session, source, taskId)
  const result = await request(session, label, (options) => connection.follow(taskId, options)).finally(() => {
    if (session.signal.aborted) session.note(`The task goes on. To cancel it: portolan follow ${shellWord(label)} --cancel${wayTail(session, connection, flags)}`)
  })
  await showOutcome(session, result, { flags, name: 'task', label })
}

async function sayState(session: Session, connection: Connection, { flags, taskId }: { readonly flags: FollowFlags; readonly taskId: string }): Promise<void> {
  const { signal, terminal } = session
  const { text, value } = await connection.request(flags.cancel === true ? 'tasks/cancel' : 'tasks/get', { taskId }, { signal })
  if (flags.json === true) return writeJson(session, text)
  // In 2026-07-28 it is acknowledged, and happens when the server gets to it.
  if (flags.cancel === true) return void terminal.out.write(typeof value['status'] === 'string' ? `The task is ${safeName(value['status'])}.\n` : 'The server was told to cancel it; --status says whether it has.\n')
  const { status, statusMessage, createdAt, lastUpdatedAt, error } = value
  const failure = isJsonObject(error) ? error['message'] : undefined
  const facts = { status, says: statusMessage, failed: failure, made: createdAt, changed: lastUpdatedAt }
  for (const [name, fact] of Object.entries(facts)) if (typeof fact === 'string') terminal.out.write(`${name.padEnd(8)} ${safeLine(fact)}\n`)
}
