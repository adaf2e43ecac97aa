/**
 * One request over Streamable HTTP, both eras: POST, then JSON or a stream of events, then exactly one response or
 * failure. The hot path of the gateway: one object per call, which is egress handler and call control at once.
 */
import { isBatch, parseMessage, splitBatch } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { createSseParser } from '../../protocol/sse.ts'
import type { SseParser } from '../../protocol/sse.ts'
import type { Clock } from '../clock.ts'
import type { CallControl, CallHandler, ChannelFailure, LongResponse } from './channel.ts'
import type { EgressControl, EgressFailure, EgressHandler } from './egress.ts'
import { isMediaType, isRefusedUnexecuted, parseRetryAfter } from './http-status.ts'

/** What a channel decides about its calls; one object per channel. */
export interface HttpCallRules {
  readonly clock: Clock
  /** Longest JSON answer, and longest event. */
  readonly resultBytes: number
  /** JSON-RPC arrays are accepted (2025-03-26). */
  readonly batches: boolean
  /** Requests of the server on a call's stream (legacy); elsewhere they are dropped and counted. */
  readonly serverRequests: boolean
  onHead?(status: number, header: (name: string) => string | undefined): void
  /** The failure that a status stands for though `body` may be a JSON-RPC error; undefined: the body is the response. */
  refuse(status: number, body: Message | undefined, idText: IdText): ChannelFailure['reason'] | undefined
  /** The stream ended without a response. True: the channel takes it up again and calls the same handlers. */
  takeUp?(call: HttpCall): boolean
  /** The caller gave up. */
  onAbort?(call: HttpCall, reason: string): void
  /** The call is over, however it ended; comes before the handler hears of it. */
  onOver(call: HttpCall, outcome: 'response' | 'aborted' | ChannelFailure): void
  onStray(detail: string): void
}

/** How long a stream may stay open after its response (it SHOULD end there) before its connection is given up. */
const LINGER_MS = 1_000
/** From here on an answer is passed on while it arrives, where its reader can take it so. */
const LONG_BYTES = 1024 * 1024
/** How much of a body that means nothing is read. */
const DRAIN_BYTES = 64 * 1024

const NOBODY: CallHandler = { onMessage: () => true, onResponse: () => undefined, onFailure: () => undefined }

export class HttpCall implements EgressHandler, CallControl {
  readonly idText: IdText
  readonly method: string
  /** The newest event id of this call's stream; '' for none. */
  lastEventId = ''
  /** The server's `retry`, where it gave one. */
  retryMs: number | undefined = undefined
  /** Tries at resuming since the last event. */
  resumeTries = 0
  #rules: HttpCallRules
  #handler: CallHandler
  #control: EgressControl | undefined = undefined
  #status = 0
  #mode: 'json' | 'sse' | 'none' = 'none'
  #long: LongResponse | undefined = undefined
  #isLongAsked = false
  #text = ''
  #bytes = 0
  #retryAfter = ''
  #parser: SseParser | undefined = undefined
  #isResuming = false
  #isPaused = false
  #isOver = false
  #stopLinger: (() => void) | undefined = undefined

  constructor(rules: HttpCallRules, request: { readonly idText: IdText; readonly method: string }, handler: CallHandler) {
    this.#rules = rules
    this.#handler = handler
    this.idText = request.idText
    this.method = request.method
  }

  /** Names the connection that now serves this call. */
  attach(control: EgressControl): void {
    this.#control = control
    if (this.#isPaused) control.pause()
  }

  /** From here on a GET with `Last-Event-ID` goes on with the stream. */
  beginResume(): void {
    this.#isResuming = true
    this.#mode = 'none'
    this.#text = ''
    this.#bytes = 0
    this.#parser = undefined
  }

  get isOver(): boolean {
    return this.#isOver
  }

  abort(reason: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#control?.abort()
    this.#rules.onAbort?.(this, reason)
    this.#rules.onOver(this, 'aborted')
    this.#letGo()
  }

  resume(): void {
    this.#isPaused = false
    this.#control?.resume()
  }

  /** Ends the call from the channel's side. */
  fail(failure: ChannelFailure): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#control?.abort()
    this.#rules.onOver(this, failure)
    this.#letGo().onFailure(failure)
  }

  /** Tells the caller that the stream is suspended. */
  suspended(retryMs: number): void {
    this.#handler.onSuspended?.(retryMs)
  }

  onHead(status: number, header: (name: string) => string | undefined): void {
    this.#status = status
    this.#rules.onHead?.(status, header)
    if (status === 429 || status === 503) this.#retryAfter = header('retry-after') ?? ''
    const type = header('content-type') ?? ''
    if (type.startsWith('application/json')) this.#mode = 'json'
    else if (status === 200 && isMediaType(type, 'text/event-stream')) this.#openStream()
    else if (isMediaType(type, 'application/json')) this.#mode = 'json'
  }

  onChunk(chunk: Uint8Array): void {
    if (this.#isOver) return
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    if (this.#mode === 'sse') {
      this.#readEvents(bytes)
    } else if (this.#mode === 'json') {
      this.#readJson(bytes.toString('latin1'))
    } else {
      // What is no answer is read to its end, so that the connection can be used again, but not for ever.
      this.#bytes += bytes.length
      if (this.#bytes > DRAIN_BYTES) this.#readRefusal()
    }
  }

  onEnd(): void {
    this.#stopLinger?.()
    if (this.#isOver) return
    if (this.#mode === 'sse') return this.#endStream('the stream ended without a response')
    if (this.#long !== undefined) return this.#endLong(this.#long)
    if (this.#mode === 'json' && this.#status < 300 && !this.#isResuming) return this.#readAnswer()
    this.#readRefusal()
  }

  onFailure(failure: EgressFailure): void {
    this.#stopLinger?.()
    if (this.#isOver) return
    if (this.#mode === 'sse' || this.#isResuming) return this.#endStream(failure.detail)
    const reason = failure.reason === 'unreachable' ? 'unreachable' : failure.reason === 'protocol' ? 'malformed' : 'closed'
    this.fail({ reason, sent: failure.sent, detail: failure.detail })
  }

  #readJson(text: string): void {
    if (this.#long !== undefined) return this.#pass(this.#long, text)
    this.#bytes += text.length
    this.#text = this.#text === '' ? text : this.#text + text
    if (this.#bytes > LONG_BYTES && !this.#isLongAsked) this.#askLong()
    if (this.#long === undefined && this.#bytes > this.#rules.resultBytes) this.fail(oversized(this.#rules.resultBytes))
  }

  #askLong(): void {
    this.#isLongAsked = true
    const long = this.#status < 300 && !this.#isResuming ? this.#handler.onLong?.() : undefined
    if (long === undefined) return
    this.#long = long
    this.#pass(long, this.#text)
    if (this.#long !== undefined) this.#text = ''
  }

  #pass(long: LongResponse, text: string): void {
    const verdict = long.push(text)
    if (verdict === 'whole') this.#long = undefined
    else if (verdict === 'slow') this.#pause()
    else if (verdict === 'malformed') this.fail({ reason: 'malformed', sent: true, detail: 'the answer is no valid response' })
  }

  #endLong(long: LongResponse): void {
    this.#isOver = true
    this.#rules.onOver(this, 'response')
    const handler = this.#letGo()
    if (long.end() === 'malformed') handler.onFailure({ reason: 'malformed', sent: true, detail: 'the answer is no valid response' })
  }

  #pause(): void {
    this.#isPaused = true
    this.#control?.pause()
  }

  #openStream(): void {
    this.#mode = 'sse'
    this.#parser = createSseParser({ maxEventBytes: this.#rules.resultBytes })
  }

  #readEvents(bytes: Buffer): void {
    const parser = this.#parser
    if (parser === undefined || this.#isOver) return
    const { events, fault } = parser.push(bytes)
    this.lastEventId = parser.lastEventId() || this.lastEventId
    this.retryMs = parser.retryMs() ?? this.retryMs
    if (events.length > 0) this.resumeTries = 0
    for (const event of events) {
      if (event.data.length > 0 && event.event === 'message') this.#read(event.data.toString('latin1'))
      if (this.#isOver) return
    }
    if (fault !== undefined) this.fail(oversized(fault.maxEventBytes))
  }

  #endStream(detail: string): void {
    if (this.#rules.takeUp?.(this) === true) return
    this.fail({ reason: 'closed', sent: true, detail })
  }

  #readAnswer(): void {
    const text = this.#text
    this.#text = ''
    this.#read(text)
    if (!this.#isOver) this.fail({ reason: 'malformed', sent: true, detail: 'the answer holds no response' })
  }

  #read(text: string): void {
    if (this.#rules.batches && isBatch(text)) {
      const items = splitBatch(text)
      if (items === undefined) return this.fail({ reason: 'malformed', sent: true, detail: 'invalid batch' })
      // The response last, whatever the order: nothing may follow it.
      const messages = items.map((item) => parseMessage(item))
      const isResponse = (scan: (typeof messages)[number]): boolean => scan.ok && scan.value.method === ''
      for (const scan of [...messages.filter((scan) => !isResponse(scan)), ...messages.filter(isResponse)]) {
        if (!scan.ok) return this.fail({ reason: 'malformed', sent: true, detail: scan.fault.detail })
        if (!this.#isOver) this.#take(scan.value)
      }
      return
    }
    const scan = parseMessage(text)
    if (scan.ok) this.#take(scan.value)
    else this.fail({ reason: 'malformed', sent: true, detail: scan.fault.detail })
  }

  #take(message: Message): void {
    if (message.method === '') {
      if (message.idText === this.idText || (message.kind === 'error' && message.idText === '')) this.#respond(message)
      else this.fail({ reason: 'malformed', sent: true, detail: 'a response with another id' })
    } else if (message.kind === 'request' && !this.#rules.serverRequests) {
      this.#rules.onStray(`a request of the server on a modern stream: ${message.method}`)
    } else if (!this.#handler.onMessage(message)) {
      this.#pause()
    }
  }

  #respond(message: Message): void {
    this.#isOver = true
    if (this.#mode === 'sse') this.#stopLinger = this.#rules.clock.after(LINGER_MS, () => this.#control?.abort())
    this.#rules.onOver(this, 'response')
    this.#letGo().onResponse(message)
  }

  /** The caller hears of nothing more; a dead call must not keep what the caller holds (`core/live-map.ts` says why). */
  #letGo(): CallHandler {
    const handler = this.#handler
    this.#handler = NOBODY
    if (this.#stopLinger === undefined) this.#control = undefined
    return handler
  }

  #readRefusal(): void {
    const status = this.#status
    const scan = this.#mode === 'json' ? parseMessage(this.#text) : undefined
    const body = scan?.ok === true && scan.value.kind === 'error' ? scan.value : undefined
    const isOurs = body !== undefined && (body.idText === this.idText || body.idText === '')
    const reason = this.#rules.refuse(status, isOurs ? body : undefined, this.idText)
    if (reason === undefined && isOurs && !this.#isResuming) return this.#respond(body)
    if (this.#isResuming && status >= 500 && this.#rules.takeUp?.(this) === true) return
    this.fail(this.#refusal(status, reason))
  }

  #refusal(status: number, reason: ChannelFailure['reason'] = 'status'): ChannelFailure {
    const retryAfterSec = parseRetryAfter(this.#retryAfter, this.#rules.clock.nowMs())
    const isOurs = status < 300
    return {
      reason: isOurs ? 'malformed' : reason,
      sent: this.#isResuming || !isRefusedUnexecuted(status),
      detail: isOurs ? `status ${status} without JSON-RPC` : `status ${status}`,
      status,
      ...(retryAfterSec === undefined ? {} : { retryAfterSec }),
    }
  }
}

function oversized(limitBytes: number): ChannelFailure {
  return { reason: 'oversized', sent: true, detail: `more than ${limitBytes} bytes` }
}
