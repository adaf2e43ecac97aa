/**
 * Stage 2: which era a request is of, and whether its envelope, metadata and headers agree (bridge-rulings §1;
 * 2026-07-28, Basic, `_meta`, and Streamable HTTP, Server Validation). Pure: text and headers in, a verdict out.
 */

import { member } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message, MessageFault } from '../../protocol/message.ts'
import { HEADER } from '../../protocol/header.ts'
import { PortolanError } from '../../protocol/error.ts'
import { SUPPORTED_MODERN, isModernRevision } from '../../protocol/revision.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { META } from '../../protocol/meta.ts'
import { describeMirrorFault, mirrorFault, versionHeaderFault } from '../../protocol/modern/request-headers.ts'
import type { MirrorFault } from '../../protocol/modern/request-headers.ts'
import { claimedRevision, claimsRevision, describeMetaFault, requestMetaFault } from '../../protocol/modern/request-meta.ts'
import type { MetaFault } from '../../protocol/modern/request-meta.ts'

/** Reads one header by its lower-case name; undefined on stdio for every name. */
export type HeaderOf = (lowerCaseName: string) => string | undefined

export type Decoded =
  | { readonly ok: true; readonly era: Era; readonly revision: Revision | undefined; readonly message: Message }
  | { readonly ok: false; readonly era: Era; readonly message: Message | undefined; readonly idText: string; readonly error: PortolanError }

/** One message as posted. Sessions are not looked up here: a legacy message names one, or is refused later. */
export function decodeHttp(text: WireText, header: HeaderOf, maxDepth: number): Decoded {
  const version = header(HEADER.protocolVersion)
  const headerEra: Era = version !== undefined && isModernRevision(version) ? 'modern' : 'legacy'
  const scan = parseMessage(text, undefined, maxDepth)
  if (!scan.ok) return refuse(headerEra, undefined, faultError(scan.fault), scan.fault.idText)
  const message = scan.value
  const meta = member(message.body, '_meta')
  if (message.kind !== 'result' && message.kind !== 'error' && claimsRevision(meta)) {
    return decodeModern(message, meta, { version })
  }
  if (message.method === 'initialize' || header(HEADER.sessionId) !== undefined || headerEra === 'legacy') {
    return { ok: true, era: 'legacy', revision: undefined, message }
  }
  // A modern notification carries no required metadata over HTTP (Streamable HTTP, Sending Messages, note).
  if (message.kind === 'notification') return { ok: true, era: 'modern', revision: undefined, message }
  if (message.kind !== 'request') return refuse('modern', message, invalidRequest('clients send no responses in this revision'))
  return refuse('modern', message, metaError({ reason: 'missing', key: META.protocolVersion, expected: 'a string' }))
}

/** One line of a stdio client. `legacy` once an `initialize` was seen and the message claims nothing else. */
export function decodeLine(text: WireText, maxDepth: number): Decoded {
  const scan = parseMessage(text, undefined, maxDepth)
  if (!scan.ok) return refuse('legacy', undefined, faultError(scan.fault), scan.fault.idText)
  const message = scan.value
  const meta = member(message.body, '_meta')
  if (message.kind === 'request' && claimsRevision(meta)) return decodeModern(message, meta, undefined)
  return { ok: true, era: 'legacy', revision: undefined, message }
}

/** A modern HTTP request's routing headers against its body; undefined when they agree. */
export function headerFault(message: Message, header: HeaderOf): PortolanError | undefined {
  const fault = mirrorFault(message, header)
  return fault === undefined ? undefined : mirrorError(fault)
}

/** `http` is undefined on stdio, which has no headers to agree with. */
function decodeModern(message: Message, meta: JsonNode | undefined, http: { readonly version: string | undefined } | undefined): Decoded {
  const claimed = claimedRevision(message.text, meta)
  if (claimed !== undefined) {
    const differs = http === undefined ? undefined : versionHeaderFault(http.version, claimed)
    if (differs !== undefined) return refuse('modern', message, mirrorError(differs))
    if (!isModernRevision(claimed)) {
      const data = { supported: [...SUPPORTED_MODERN], requested: claimed.slice(0, 64) }
      return refuse('modern', message, new PortolanError('unsupported_version', { data }))
    }
    const fault = message.kind === 'request' ? requestMetaFault(message.text, meta) : undefined
    if (fault === undefined) return { ok: true, era: 'modern', revision: claimed, message }
    return refuse('modern', message, metaError(fault))
  }
  return refuse('modern', message, metaError({ reason: 'wrong_type', key: META.protocolVersion, expected: 'a string' }))
}

function refuse(era: Era, message: Message | undefined, error: PortolanError, idText = message?.idText ?? ''): Decoded {
  return { ok: false, era, message, idText, error }
}

function faultError(fault: MessageFault): PortolanError {
  if (fault.reason === 'duplicate_key') return new PortolanError('duplicate_key', { message: `Invalid request: ${fault.detail}` })
  if (fault.reason === 'envelope') return invalidRequest(fault.detail)
  return new PortolanError('parse_error', { message: `Parse error: ${fault.reason === 'encoding' ? 'not UTF-8' : fault.detail}` })
}

function invalidRequest(detail: string): PortolanError {
  return new PortolanError('invalid_request', { message: `Invalid request: ${detail}` })
}

function metaError(fault: MetaFault): PortolanError {
  return new PortolanError('invalid_meta', { message: describeMetaFault(fault) })
}

function mirrorError(fault: MirrorFault): PortolanError {
  return new PortolanError('header_mismatch', { message: describeMirrorFault(fault) })
}
