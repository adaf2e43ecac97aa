/**
 * What a server asks its client for in mid-call: elicitation, sampling, roots. One port answers both eras: requests of a legacy
 * session, and the rounds of `input_required` (S26 basic/patterns/mrtr).
 */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { ClientError } from './client-error.ts'

/** Who answers. `params` come from the server as they are; the signal aborts when the call has ended. */
export interface InputHandler {
  /** An ElicitResult. */
  elicit(params: JsonObject, signal: AbortSignal): Promise<JsonObject>
  /** A CreateMessageResult; undefined where the person refuses. */
  sample(params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined>
  /** The roots of this client, as the wire has them. */
  roots(): readonly JsonObject[]
}

/** How often one call, or one task, may ask. */
export const MAX_ROUNDS = 64

export function tooManyRounds(): ClientError {
  return new ClientError('lost', `The server still asks for input after ${MAX_ROUNDS} rounds.`, 'That is a fault of the server; tell its authors.')
}

/** What a client with such a handler declares; `form` and `url` are both answered. */
export function inputCapabilities(handler: InputHandler | undefined): Record<string, Record<string, Record<string, never> | boolean>> {
  return handler === undefined ? {} : { elicitation: { form: {}, url: {} }, sampling: {}, roots: {} }
}

/** Answers one request. Rejects with ClientError `declined` where the wire has no word for a refusal. */
export async function answerInput(handler: InputHandler, method: string, params: JsonObject, signal: AbortSignal): Promise<JsonObject> {
  if (method === 'roots/list') return { roots: handler.roots() }
  if (method === 'sampling/createMessage') {
    const result = await handler.sample(params, signal)
    if (result === undefined) throw new ClientError('declined', 'The server asked for a message of a model (sampling), and that was declined.')
    return result
  }
  if (method === 'elicitation/create') return handler.elicit(params, signal)
  throw new ClientError('declined', `The server asks for ${method}, which this client does not know.`)
}

/** SEP-1034: what an answer that nobody looked at leaves out takes the schema's default. A person's answer stays as it is. */
export function withDefaults(params: JsonObject, answer: JsonObject): JsonObject {
  const schema = ownMember(params, 'requestedSchema')
  const properties = isJsonObject(schema) ? ownMember(schema, 'properties') : undefined
  if (answer['action'] !== 'accept' || !isJsonObject(properties)) return answer
  const content = isJsonObject(answer['content']) ? answer['content'] : {}
  const missing = Object.entries(properties).flatMap(([name, property]): [string, JsonValue][] => {
    const fallback = isJsonObject(property) ? ownMember(property, 'default') : undefined
    return Object.hasOwn(content, name) || fallback === undefined ? [] : [[name, fallback]]
  })
  return { ...answer, content: { ...content, ...Object.fromEntries(missing) } }
}

/** The answers to all requests of one round, under their keys; a failed one fails the round and aborts the others. */
export async function answerRound(handler: InputHandler | undefined, requests: JsonObject, signal: AbortSignal): Promise<JsonObject> {
  const entries = Object.entries(requests)
  if (handler === undefined && entries.length > 0) {
    throw new ClientError('declined', 'The server asks for input that this client did not offer.')
  }
  const round = new AbortController()
  const all = AbortSignal.any([signal, round.signal])
  try {
    const answers = await Promise.all(entries.map(async ([key, request]): Promise<[string, JsonValue]> => {
      if (handler === undefined || !isJsonObject(request) || typeof request['method'] !== 'string') {
        throw new ClientError('declined', 'The server asks for input in a way that cannot be read.')
      }
      const params = isJsonObject(request['params']) ? request['params'] : {}
      return [key, await answerInput(handler, request['method'], params, all)]
    }))
    return Object.fromEntries(answers)
  } finally {
    round.abort()
  }
}
