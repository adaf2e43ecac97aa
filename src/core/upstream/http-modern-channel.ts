/**
 * A channel to a modern server over Streamable HTTP (S26 basic/transports/streamable-http): every message a POST, no
 * session, closing the connection is the cancellation. One channel serves everybody.
 */
import { HEADER } from '../../protocol/header.ts'
import type { IdText } from '../../protocol/message.ts'
import type { ModernRevision } from '../../protocol/revision.ts'
import { LiveMap } from '../live-map.ts'
import type { Clock } from '../clock.ts'
import type { Channel, ChannelCall } from './channel.ts'
import type { Egress } from './egress.ts'
import type { ChannelHealth } from './health.ts'
import { mergeHeaders } from './header-pairs.ts'
import { HttpCall } from './http-call.ts'
import { isEstranged, refuseByStatus } from './http-status.ts'
import type { HeaderPairs } from './header-pairs.ts'
import type { HttpCallRules } from './http-call.ts'
import { postMessage } from './http-post.ts'

export interface HttpModernOptions {
  readonly egress: Egress
  readonly clock: Clock
  readonly health: ChannelHealth
  readonly url: string
  /** Of the configuration; a call's own header of the same name wins. */
  readonly headers: HeaderPairs
  readonly revision: ModernRevision
  readonly connectTimeoutMs: number
  /** For the channel's own notifications. */
  readonly requestTimeoutMs: number
  readonly resultBytes: number
  /** 5xx is a failure even with a JSON-RPC error: it says nothing about the server's era. */
  readonly isProbe?: boolean
}

export function createHttpModernChannel(options: HttpModernOptions): Channel {
  const { egress, clock, health, url, revision, connectTimeoutMs, requestTimeoutMs, resultBytes } = options
  const fixed = mergeHeaders(
    [
      ['content-type', 'application/json'],
      ['accept', 'application/json, text/event-stream'],
      [HEADER.protocolVersion, revision],
    ],
    options.headers,
  )
  const calls = new LiveMap<IdText, HttpCall>()
  let lastId = 0
  let isClosed = false

  const rules: HttpCallRules = {
    clock,
    resultBytes,
    batches: false,
    serverRequests: false,
    refuse(status, body) {
      if (options.isProbe !== true && isEstranged('modern', status, body)) health.estranged(`status ${status} from a modern server`)
      return refuseByStatus(status, options.isProbe === true && status >= 500 ? undefined : body)
    },
    onOver(call, outcome) {
      calls.delete(call.idText)
      if (outcome === 'response') health.seen()
      else if (outcome !== 'aborted' && outcome.reason === 'unreachable') health.unreachable(outcome.detail)
    },
    onStray: (detail) => health.stray(detail),
  }

  return {
    era: 'modern',
    transport: 'http',
    revision,
    nextId() {
      lastId += 1
      return String(lastId)
    },
    send(request: ChannelCall) {
      const call = new HttpCall(rules, request, request.handler)
      if (isClosed) {
        queueMicrotask(() => call.fail({ reason: 'unreachable', sent: false, detail: 'the channel is closed' }))
        return call
      }
      calls.set(call.idText, call)
      const headers = mergeHeaders(fixed, request.headers)
      call.attach(egress.send({ method: 'POST', url, headers, body: request.text, connectTimeoutMs }, call))
      return call
    },
    async notify(text, headers = []) {
      await postMessage({ egress, clock, url, headers: mergeHeaders(fixed, headers), text, connectTimeoutMs, requestTimeoutMs })
    },
    close() {
      isClosed = true
      for (const call of calls.values()) call.fail({ reason: 'closed', sent: true, detail: 'the channel was closed' })
      return Promise.resolve()
    },
    get closed() {
      return isClosed
    },
  }
}
