/**
 * Listens in below the SDK, whose decoding drops unknown nested fields, rounds big integers and refuses results that are a
 * little wrong: every answer is kept as the server wrote it, every notification is heard whole.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { parseMessage } from '../../protocol/message.ts'
import { createSseReader } from './sse-reader.ts'

/** A request or notification from the server. `text` is the whole message as it was sent. */
export interface Heard {
  readonly kind: 'request' | 'notification'
  readonly method: string
  readonly params: JsonObject
  readonly text: string
}

/** A result as the server sent it; `value` is the same, parsed. */
export interface RawResult {
  readonly text: string
  readonly value: JsonObject
}

/** The error object of a response, as the server sent it. */
export interface RawError {
  readonly text: string
  readonly code: number
  readonly message: string
  readonly data: unknown
}

/** What one request was answered; both undefined where no answer came. */
export interface RawAnswer {
  result?: RawResult
  error?: RawError
}

export type Fetch = (url: string | URL, init?: RequestInit) => Promise<Response>

export interface Tap {
  /** `base`, with everything that it carries heard. */
  wrapFetch(base: Fetch): Fetch
  /** A message on its way out, as an object or as its JSON text. */
  sent(message: unknown): void
  /** One JSON-RPC message as it came in. */
  received(text: string): void
  /** Runs `request`; the answer to the last request that it sent is in `answer` before it settles. */
  follow<T>(request: () => Promise<T>): { readonly settled: Promise<T>; readonly answer: RawAnswer }
}

interface Slot {
  id: string
  readonly answer: RawAnswer
}

export function createTap(onHeard: (heard: Heard) => void): Tap {
  const current = new AsyncLocalStorage<Slot>()
  const waiting = new Map<string, Slot>()

  function sent(message: unknown): void {
    const value = typeof message === 'string' ? parsed(message) : message
    const slot = current.getStore()
    if (slot === undefined || !isJsonObject(value) || typeof value['method'] !== 'string' || value['id'] === undefined) return
    waiting.delete(slot.id)
    slot.id = JSON.stringify(value['id'])
    waiting.set(slot.id, slot)
  }

  function received(text: string): void {
    const value = parsed(text)
    if (Array.isArray(value)) return value.forEach((item) => received(JSON.stringify(item)))
    if (!isJsonObject(value)) return
    const { method, id, params } = value
    if (typeof method === 'string') {
      return onHeard({ kind: id === undefined ? 'notification' : 'request', method, params: isJsonObject(params) ? params : {}, text })
    }
    const slot = waiting.get(JSON.stringify(id))
    if (slot === undefined) return
    waiting.delete(slot.id)
    Object.assign(slot.answer, answerOf(value, text))
  }

  return {
    sent,
    received,
    wrapFetch(base) {
      return async (url, init) => {
        if (typeof init?.body === 'string') sent(init.body)
        return heardResponse(await base(url, init), received)
      }
    },
    follow(request) {
      const slot: Slot = { id: '', answer: {} }
      const settled = current.run(slot, request).finally(() => waiting.delete(slot.id))
      return { settled, answer: slot.answer }
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function answerOf(message: JsonObject, text: string): RawAnswer {
  const { result, error } = message
  if (isJsonObject(result)) return { result: { text: bodyText(text) ?? JSON.stringify(result), value: result } }
  if (!isJsonObject(error)) return {}
  const { code, message: said, data } = error
  const raw: RawError = {
    text: bodyText(text) ?? JSON.stringify(error),
    code: typeof code === 'number' ? code : 0,
    message: typeof said === 'string' ? said : '',
    data,
  }
  return { error: raw }
}

/** The text of `result` or `error` within the message; undefined where the envelope is odd (repeated keys, too deep). */
function bodyText(text: string): string | undefined {
  const wire = Buffer.from(text, 'utf8').toString('latin1')
  const scan = parseMessage(wire)
  if (!scan.ok || scan.value.body === undefined) return undefined
  const { start, end } = scan.value.body
  return Buffer.from(wire.slice(start, end), 'latin1').toString('utf8')
}

function heardResponse(response: Response, received: (text: string) => void): Response {
  const type = response.headers.get('content-type') ?? ''
  if (response.body === null) return response
  const reader = type.startsWith('text/event-stream') ? createSseReader(received) : type.includes('json') ? createBodyReader(received) : undefined
  if (reader === undefined) return response
  const decoder = new TextDecoder()
  const listening = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      reader.push(decoder.decode(chunk, { stream: true }))
      controller.enqueue(chunk)
    },
    flush: () => reader.end(),
  })
  const { status, statusText, headers } = response
  const heard = new Response(response.body.pipeThrough(listening), { status, statusText, headers })
  // Redirects and relative addresses are judged by it.
  Object.defineProperty(heard, 'url', { value: response.url })
  return heard
}

function createBodyReader(received: (text: string) => void): { push(text: string): void; end(): void } {
  let body = ''
  return { push: (text) => void (body += text), end: () => received(body) }
}
