/** At the owner: an exchange that another replica brings is served like one of a client's own connection. */

import type { Principal } from '../auth/principal.ts'
import type { WireText } from '../../protocol/json.ts'
import type { HttpRequest, HttpResponse } from '../gateway/http-exchange.ts'
import { createTextQueue } from '../gateway/text-queue.ts'
import { readRequest, writeFrame } from './exchange-frames.ts'
import type { AnswerFrame, CarriedRequest } from './exchange-frames.ts'

/** What is known of an exchange that came from another replica. */
export interface Carried {
  /** As the replica calls it to which the client is connected. */
  readonly exchangeId: string
  readonly principal: Principal
  /** It belongs elsewhere by now, and nothing of it was done. */
  moved(): void
}

export type ServeCarried = (request: HttpRequest, response: HttpResponse, carried: Carried) => void

/** A reader that is further behind than this is slow. */
const ROOM_CHARS = 256 * 1024
/** A longer answer goes in pieces: a link bounds one text, not an answer. */
const PIECE_CHARS = 1024 * 1024

/** The texts of the answer to `text`; `signal` aborts where the client, or the replica in between, has gone. */
export function serveExchange(text: WireText, signal: AbortSignal, serve: ServeCarried): AsyncIterable<string> {
  const { response, frames, send } = createCarriedResponse(signal)
  const moved = (): void => void send({ kind: 'moved' }, true)
  const read = readRequest(text)
  if (read === undefined) moved()
  else serve(requestOf(read), response, { exchangeId: read.exchangeId, principal: read.principal, moved })
  return frames
}

function requestOf({ verb, path, query, headers, remoteAddress, body }: CarriedRequest): HttpRequest {
  const byName = new Map<string, string>()
  for (const [name, value] of headers) {
    const before = byName.get(name)
    byName.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return {
    verb,
    path,
    get query() {
      return new URLSearchParams(query)
    },
    remoteAddress,
    header: (lowerCaseName) => byName.get(lowerCaseName),
    headersWith: (prefix) => headers.filter(([name]) => name.startsWith(prefix)),
    body: () => Promise.resolve({ ok: true, value: body }),
  }
}

interface CarriedResponse {
  readonly response: HttpResponse
  readonly frames: AsyncIterable<string>
  send(frame: AnswerFrame, isLast?: boolean): boolean
}

function createCarriedResponse(signal: AbortSignal): CarriedResponse {
  let isOver = false
  let waitingChars = 0
  let onDrained: (() => void)[] = []
  const onGone: (() => void)[] = []
  const gone = (): void => {
    if (isOver) return
    isOver = true
    queue.close()
    for (const run of onGone.splice(0)) run()
  }
  const queue = createTextQueue(ROOM_CHARS, gone)
  if (signal.aborted) isOver = true
  else signal.addEventListener('abort', gone, { once: true })

  const taken = (chars: number): void => {
    waitingChars -= chars
    if (waitingChars > 0) return
    const runs = onDrained
    onDrained = []
    for (const run of runs) run()
  }
  const send = (frame: AnswerFrame, isLast = false): boolean => {
    if (isOver) return true
    isOver = isLast
    const text = writeFrame(frame)
    waitingChars += text.length
    void queue.push(text).then(() => taken(text.length))
    if (isLast) {
      queue.end()
      signal.removeEventListener('abort', gone)
    }
    return waitingChars <= ROOM_CHARS
  }
  const response: HttpResponse & { headSent: boolean } = {
    headSent: false,
    head(status, headers) {
      response.headSent = true
      send({ kind: 'head', head: { status, headers } })
    },
    write: (text) => send({ kind: 'piece', text }),
    end: () => void send({ kind: 'end' }, true),
    answer(status, headers, text, tail) {
      response.headSent = true
      const whole = tail === undefined ? text : text + tail.toString('latin1')
      if (whole.length <= PIECE_CHARS) return void send({ kind: 'answer', head: { status, headers }, text: whole }, true)
      send({ kind: 'head', head: { status, headers: { ...headers, 'content-length': String(whole.length) } } })
      for (let at = 0; at < whole.length; at += PIECE_CHARS) send({ kind: 'piece', text: whole.slice(at, at + PIECE_CHARS) })
      send({ kind: 'end' }, true)
    },
    destroy: () => void send({ kind: 'cut' }, true),
    onDrain(run) {
      if (waitingChars === 0) queueMicrotask(run)
      else onDrained.push(run)
    },
    onGone: (run) => void onGone.push(run),
  }
  return { response, frames: queue, send }
}
