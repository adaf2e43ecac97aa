/** HTTP exchanges whose answer is a status: notifications, responses to a server's requests, the end of a session. */
import { PortolanError } from '../../protocol/error.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Clock } from '../clock.ts'
import type { Egress, EgressFailure, EgressRequest } from './egress.ts'
import { parseRetryAfter } from './http-status.ts'
import type { HeaderPairs } from './header-pairs.ts'

export type HttpStatus =
  | { readonly ok: true; readonly status: number; readonly text: WireText; readonly retryAfterSec: number | undefined }
  | { readonly ok: false; readonly failure: EgressFailure }

/** The body matters only as a short JSON-RPC error. */
const BODY_BYTES = 64 * 1024

/** Sends `request` and waits for the whole answer, its body cut at 64 KiB. Never rejects. */
export function exchangeStatus(egress: Egress, clock: Clock, request: EgressRequest, timeoutMs: number): Promise<HttpStatus> {
  return new Promise((resolve) => {
    let status = 0
    let text = ''
    let retryAfterSec: number | undefined
    const settle = (result: HttpStatus): void => {
      stopTimer()
      resolve(result)
    }
    const control = egress.send(request, {
      onHead(code, header) {
        status = code
        retryAfterSec = parseRetryAfter(header('retry-after') ?? '', clock.nowMs())
        // Some servers answer a notification with an event stream that never ends.
        if ((header('content-type') ?? '').startsWith('text/event-stream')) {
          queueMicrotask(() => control.abort())
          settle({ ok: true, status, text, retryAfterSec })
        }
      },
      onChunk(chunk) {
        if (text.length < BODY_BYTES) text += Buffer.from(chunk).toString('latin1')
      },
      onEnd: () => settle({ ok: true, status, text, retryAfterSec }),
      onFailure: (failure) => settle({ ok: false, failure }),
    })
    const stopTimer = clock.after(timeoutMs, () => {
      control.abort()
      resolve({ ok: false, failure: { reason: 'aborted', sent: true, detail: `no answer within ${timeoutMs} ms` } })
    })
  })
}

export interface PostOptions {
  readonly egress: Egress
  readonly clock: Clock
  readonly url: string
  readonly headers: HeaderPairs
  readonly text: WireText
  readonly connectTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Called where the answer means that the session is unknown. */
  readonly isSessionGone?: (status: number, text: WireText) => boolean
}

/**
 * Posts a notification or a response; resolves when it was accepted (any 2xx: some servers answer 200 and not 202).
 * Rejects with `session_not_found`, `overloaded`, `outcome_unknown` (sent, then lost) or `upstream_unavailable`.
 */
export async function postMessage(options: PostOptions): Promise<void> {
  const { egress, clock, url, headers, text, connectTimeoutMs, requestTimeoutMs, isSessionGone } = options
  const request: EgressRequest = { method: 'POST', url, headers, body: text, connectTimeoutMs }
  const answer = await exchangeStatus(egress, clock, request, requestTimeoutMs)
  if (!answer.ok) {
    const { sent, detail } = answer.failure
    throw new PortolanError(sent ? 'outcome_unknown' : 'upstream_unavailable', { cause: detail })
  }
  const { status, retryAfterSec } = answer
  if (status < 300) return
  if (isSessionGone?.(status, answer.text) === true) throw new PortolanError('session_not_found', { cause: `status ${status}` })
  const code = status === 429 || status === 503 ? 'overloaded' : 'upstream_unavailable'
  throw new PortolanError(code, { cause: `status ${status}`, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) })
}
