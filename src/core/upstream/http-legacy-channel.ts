/** Comes into a legacy session with a server over Streamable HTTP (2025-03-26 … 2025-11-25): by the handshake, or as the next holder of one that stands. */
import { HEADER } from '../../protocol/header.ts'
import { PortolanError } from '../../protocol/error.ts'
import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { ChannelFailure, Ending, LegacyChannel, OpenLegacy, StandingSession } from './channel.ts'
import { HttpCall } from './http-call.ts'
import type { HttpCallRules } from './http-call.ts'
import { baseOf, createHttpLegacySession, deleteSession, headersOfSession, readCode } from './http-legacy-session.ts'
import type { HttpLegacyOptions } from './http-legacy-session.ts'
import { refuseByStatus } from './http-status.ts'
import { INITIALIZED, initializeText, readHandshake } from './legacy-handshake.ts'
import type { OpenFault } from './legacy-handshake.ts'
import { requestOnce } from './request-once.ts'

/** Makes the handshake. Never rejects. */
export async function openHttpLegacyChannel(options: HttpLegacyOptions): Promise<Result<LegacyChannel, OpenFault>> {
  const { egress, clock, health, url, open, connectTimeoutMs, requestTimeoutMs, hurry, hurryMs } = options
  const headers = baseOf(options, options.headers)
  let sessionId = ''
  const rules: HttpCallRules = {
    clock,
    resultBytes: options.resultBytes,
    batches: true,
    serverRequests: true,
    onHead(status, header) {
      if (status < 300) sessionId = header(HEADER.sessionId) ?? ''
    },
    refuse: (status, body) => refuseByStatus(status, status >= 500 ? undefined : body),
    onOver: () => undefined,
    onStray: (detail) => health.stray(detail),
  }
  const text = initializeText('0', open)
  const answer = await requestOnce(
    {
      send(request) {
        const call = new HttpCall(rules, request, request.handler)
        call.attach(egress.send({ method: 'POST', url, headers, body: text, connectTimeoutMs }, call))
        return call
      },
    },
    clock,
    {
      text,
      idText: '0',
      method: 'initialize',
      headers: [],
      timeoutMs: requestTimeoutMs,
      ...(hurry === undefined || hurryMs === undefined ? {} : { hurry, hurryMs }),
    },
  )
  if (!answer.ok) return fail(toOpenFault(answer.failure))
  const handshake = readHandshake(answer.message)
  if (!handshake.ok) return handshake
  if (sessionId !== '' && !/^[\x21-\x7e]{1,1024}$/.test(sessionId)) {
    return fail({ reason: 'refused', detail: 'the session id is not visible ASCII' })
  }
  const channel = createHttpLegacySession(options, headers, sessionId, handshake.value)
  try {
    // Nothing else may be sent before this was accepted.
    await channel.notify(INITIALIZED)
  } catch (error) {
    await channel.close()
    const cause = error instanceof PortolanError ? String(error.cause) : 'unknown failure'
    return fail({ reason: 'unavailable', detail: `notifications/initialized was not accepted: ${cause}` })
  }
  health.seen()
  return ok(channel)
}

const METHOD_NOT_FOUND = -32601

/**
 * Goes on in a session that another holder opened; undefined where the server does not know it any more, or cannot be asked. A fault where it says
 * nothing of the session just now: that session may stand. Never rejects.
 */
export async function resumeHttpLegacyChannel(options: HttpLegacyOptions, standing: StandingSession): Promise<Result<LegacyChannel | undefined, OpenFault>> {
  const { clock, random, requestTimeoutMs } = options
  const { listener } = options.open
  let isOpen = false
  // That it is gone is no news of a session that was never there.
  const open: OpenLegacy = { ...options.open, listener: { onMessage: (message) => listener.onMessage(message), onClosed: (reason) => isOpen && listener.onClosed(reason) } }
  const channel = standingChannel({ ...options, open }, standing, random.id())
  const idText = channel.nextId()
  const text = `{"jsonrpc":"2.0","id":${idText},"method":"ping"}`
  const answer = await requestOnce(channel, clock, { text, idText, method: 'ping', headers: [], timeoutMs: requestTimeoutMs })
  // Some say of an unknown session by a JSON-RPC error that it is one.
  isOpen = answer.ok && (answer.message.kind === 'result' || readCode(answer.message) === METHOD_NOT_FOUND)
  if (isOpen) return ok(channel)
  channel.disown?.()
  await channel.close()
  // As patient as a handshake: a server that is busy may remember. One that has no answer to `ping` at all is said hello to.
  if (answer.ok || answer.failure.reason === 'timeout') return ok(undefined)
  const fault = toOpenFault(answer.failure)
  return fault.reason === 'refused' ? ok(undefined) : fail(fault)
}

/** Ends a session that another holder opened. That it is unknown, or that clients end none here (405), is an answer. Never rejects. */
export async function endStandingSession(options: HttpLegacyOptions, { sessionId, revision }: StandingSession): Promise<Ending> {
  const answer = await deleteSession(options, [...baseOf(options, options.headers), ...headersOfSession(sessionId, revision)])
  if (!answer.ok) return 'unheard'
  if (answer.status === 401 || answer.status === 403) return 'refused'
  return answer.status === 429 || (answer.status >= 500 && answer.status !== NOT_IMPLEMENTED) ? 'unheard' : 'ended'
}

const NOT_IMPLEMENTED = 501

function standingChannel(options: HttpLegacyOptions, { sessionId, revision }: StandingSession, idPrefix: string): LegacyChannel {
  return createHttpLegacySession(options, baseOf(options, options.headers), sessionId, { revision, result: '{}' }, idPrefix)
}

function toOpenFault(failure: ChannelFailure): OpenFault {
  const { status, retryAfterSec } = failure
  const detail = `initialize: ${failure.detail}`
  if (failure.reason === 'unreachable' || failure.reason === 'closed') return { reason: 'unreachable', detail }
  if (failure.reason === 'overloaded') return { reason: 'overloaded', detail, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) }
  const isTransient = failure.reason === 'timeout' || status === 401 || status === 403 || (status !== undefined && status >= 500)
  return { reason: isTransient ? 'unavailable' : 'refused', detail, ...(status === undefined ? {} : { status }) }
}
