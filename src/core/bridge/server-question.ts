/** What a legacy server asks of a modern client in the middle of a call or a task: whether it may, how much of it, and its answer. */

import { inputNeededBy } from '../../protocol/capability.ts'
import type { InputCapability } from '../../protocol/capability.ts'
import { modernInputRequest } from '../../protocol/input-required.ts'
import { readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { Message } from '../../protocol/message.ts'
import { relateTask } from '../../protocol/task.ts'
import type { Channel } from '../upstream/channel.ts'
import type { RequestRefusal } from '../upstream/refuse-request.ts'
import type { Leased } from './input-pool.ts'

/** Open questions of one call; more get an error. */
export const MAX_QUESTIONS = 64
/** Requests of one call in all: each is answered, and who asks without end would have us answer without end. */
export const MAX_ASKED = 1_000
/** What one server may have waiting for clients, questions and answers together: it must not crowd out the others. */
export const HELD_BYTES = 64 * 1024 * 1024

/** It was not told that this may be asked for. */
export const NOT_THIS: RequestRefusal = { code: -32601, message: 'The client cannot be asked for this' }
export const TOO_MANY: RequestRefusal = { code: -32603, message: 'The client has too many unanswered requests' }

/** The entry of `inputRequests`. Undefined for what may not be asked for: a server was told what may, and the client never hears of more. */
export function questionText(input: ReadonlySet<InputCapability>, { text, body, method }: Message): WireText | undefined {
  const params = body === undefined ? {} : readJson(text, body)
  const mayAsk = isJsonObject(params) && inputNeededBy(method, params).every((needed) => input.has(needed))
  return mayAsk ? modernInputRequest(text) : undefined
}

export interface AskedServer {
  readonly channel: Pick<Channel, 'notify'>
  /** The session, where its client has it to himself. */
  readonly leased: Pick<Leased, 'roots'> | undefined
  /** The server's own id of the task that asked; undefined for none. */
  readonly taskId: string | undefined
}

/** Roots that differ from what the client said before have changed: servers keep what they were told (bridge-rulings §4, Roots). */
export function answerServer({ channel, leased, taskId }: AskedServer, { idText, method }: { readonly idText: WireText; readonly method: string }, answer: WireText): Promise<void> {
  const text = `{"jsonrpc":"2.0","id":${idText},"result":${answer}}`
  const said = channel.notify(taskId === undefined ? text : relateTask(text, taskId))
  if (method !== 'roots/list' || leased === undefined) return said
  const isChanged = leased.roots !== '' && leased.roots !== answer
  leased.roots = answer
  return isChanged ? said.then(() => channel.notify('{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}')) : said
}
