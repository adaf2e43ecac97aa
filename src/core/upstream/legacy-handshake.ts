/** The legacy handshake as texts (S25 basic/lifecycle): what to send, and what an answer stands for. */
import { asciiJson, member, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { fail, ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import { acceptLegacy } from '../../protocol/revision.ts'
import type { LegacyRevision, Revision } from '../../protocol/revision.ts'
import type { EraProfile } from './upstream.ts'

/** Why no legacy session came to be. */
export interface OpenFault {
  readonly reason:
    | 'unreachable' // nobody there, or it went away
    | 'refused' // it answered, and not with a legacy handshake
    | 'unavailable' // it cannot say now: 401, 403, 5xx, silence
    | 'overloaded'
  /** For the operator; may name commands and addresses. */
  readonly detail: string
  readonly status?: number
  readonly retryAfterSec?: number
}

export interface Handshake {
  readonly revision: LegacyRevision
  /** The whole result, as the server wrote it. */
  readonly result: WireText
}

export const INITIALIZED: WireText = '{"jsonrpc":"2.0","method":"notifications/initialized"}'

export function initializeText(
  idText: IdText,
  hello: { readonly revision: Revision; readonly capabilities: WireText; readonly clientInfo: WireText },
): WireText {
  const { revision, capabilities, clientInfo } = hello
  return (
    `{"jsonrpc":"2.0","id":${idText},"method":"initialize","params":` +
    `{"protocolVersion":"${revision}","capabilities":${capabilities},"clientInfo":${clientInfo}}}`
  )
}

/** `notifications/cancelled` for a request of ours; `reason` may be any text. */
export function cancelledText(idText: IdText, reason: string): WireText {
  return `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${idText},"reason":${asciiJson(reason)}}}`
}

/** Reads the response to `initialize`. */
export function readHandshake(message: Message): Result<Handshake, OpenFault> {
  const { text, body } = message
  if (body === undefined || message.kind !== 'result') {
    return fail({ reason: 'refused', detail: `initialize was refused: ${errorMessage(message)}` })
  }
  const answered = readString(text, member(body, 'protocolVersion')) ?? ''
  const revision = acceptLegacy(answered)
  if (revision === undefined || member(body, 'capabilities')?.kind !== 'object') {
    return fail({ reason: 'refused', detail: `initialize was answered with protocol version ${JSON.stringify(answered.slice(0, 32))}` })
  }
  return ok({ revision, result: text.slice(body.start, body.end) })
}

/** What the result of `initialize` says about the server. */
export function readHandshakeProfile(result: WireText, revision: Revision): Result<EraProfile, OpenFault> {
  const scan = scanJson(result, {})
  const capabilities = scan.ok ? member(scan.value, 'capabilities') : undefined
  if (!scan.ok || capabilities === undefined) return fail({ reason: 'refused', detail: 'initialize: no capabilities' })
  const info = member(scan.value, 'serverInfo')
  return ok({
    era: 'legacy',
    revision,
    capabilities: result.slice(capabilities.start, capabilities.end),
    serverInfo: info === undefined ? '' : result.slice(info.start, info.end),
    instructions: readString(result, member(scan.value, 'instructions')) ?? '',
  })
}

/** Code and message of an error response, cut for a log. */
export function errorMessage(message: Message): string {
  const { text, body } = message
  const code = member(body, 'code')
  const words = readString(text, member(body, 'message')) ?? ''
  return `${code === undefined ? '' : text.slice(code.start, code.end)} ${words.slice(0, 200)}`.trim()
}
