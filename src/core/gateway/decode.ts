/**
 * Stage 2: which era a request is of, and whether its envelope, metadata and headers agree (bridge-rulings §1;
 * 2026-07-28, Basic, `_meta`, and Streamable HTTP, Server Validation). Pure: text and headers in, a verdict out.
 */

import { member, readString } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message, MessageFault } from '../../protocol/message.ts'
import { HEADER, headerStandsFor } from '../../protocol/header.ts'
import { PortolanError } from '../../protocol/error.ts'
import { SUPPORTED_MODERN, isModernRevision } from '../../protocol/revision.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { LOG_LEVELS, META } from '../../protocol/meta.ts'

/** Reads one header by its lower-case name; undefined on stdio for every name. */
export type HeaderOf = (lowerCaseName: string) => string | undefined

export type Decoded =
  | { readonly ok: true; readonly era: Era; readonly revision: Revision | undefined; readonly message: Message }
  | { readonly ok: false; readonly era: Era; readonly message: Message | undefined; readonly idText: string; readonly error: PortolanError }

const NO_HEADERS: HeaderOf = () => undefined

/** One message as posted. Sessions are not looked up here: a legacy message names one, or is refused later. */
export function decodeHttp(text: WireText, header: HeaderOf, maxDepth: number): Decoded {
  const version = header(HEADER.protocolVersion)
  const headerEra: Era = version !== undefined && isModernRevision(version) ? 'modern' : 'legacy'
  const scan = parseMessage(text, undefined, maxDepth)
  if (!scan.ok) return refuse(headerEra, undefined, faultError(scan.fault), scan.fault.idText)
  const message = scan.value
  const meta = member(message.body, '_meta')
  if (message.kind !== 'result' && message.kind !== 'error' && member(meta, META.protocolVersion) !== undefined) {
    return decodeModern(message, meta, version)
  }
  if (message.method === 'initialize' || header(HEADER.sessionId) !== undefined || headerEra === 'legacy') {
    return { ok: true, era: 'legacy', revision: undefined, message }
  }
  // A modern notification carries no required metadata over HTTP (Streamable HTTP, Sending Messages, note).
  if (message.kind === 'notification') return { ok: true, era: 'modern', revision: undefined, message }
  if (message.kind !== 'request') return refuse('modern', message, invalidRequest('clients send no responses in this revision'))
  return refuse('modern', message, missingMeta(META.protocolVersion))
}

/** One line of a stdio client. `legacy` once an `initialize` was seen and the message claims nothing else. */
export function decodeLine(text: WireText, maxDepth: number): Decoded {
  const scan = parseMessage(text, undefined, maxDepth)
  if (!scan.ok) return refuse('legacy', undefined, faultError(scan.fault), scan.fault.idText)
  const message = scan.value
  const meta = member(message.body, '_meta')
  const claims = member(meta, META.protocolVersion) !== undefined
  if (claims && message.kind === 'request') return decodeModern(message, meta, undefined, NO_HEADERS)
  return { ok: true, era: 'legacy', revision: undefined, message }
}

/** A modern HTTP request's routing headers against its body; undefined when they agree. */
export function headerFault(message: Message, header: HeaderOf): PortolanError | undefined {
  const method = header(HEADER.method)
  if (method !== message.method) return mismatch(HEADER.method, method, message.method)
  const nameOf = NAME_SOURCE[message.method]
  if (nameOf === undefined) return undefined
  const name = readString(message.text, member(message.body, nameOf))
  const sent = header(HEADER.name)
  if (name === undefined) return undefined
  // Tasks: clients MUST set it, servers route by it (ext-tasks); only a wrong one is refused.
  if (sent === undefined) return nameOf === 'taskId' ? undefined : mismatch(HEADER.name, sent, name)
  const stands = headerStandsFor(sent, name)
  return stands.ok && stands.value ? undefined : mismatch(HEADER.name, sent, name)
}

/** Where `Mcp-Name` comes from (Streamable HTTP, Standard Request Headers; ext-tasks). */
export const NAME_SOURCE: Readonly<Record<string, 'name' | 'uri' | 'taskId'>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
}

function decodeModern(message: Message, meta: JsonNode | undefined, version: string | undefined, header?: HeaderOf): Decoded {
  const claimed = readString(message.text, member(meta, META.protocolVersion))
  if (claimed === undefined) return refuse('modern', message, missingMeta(META.protocolVersion))
  if (header === undefined && version !== claimed) {
    return refuse('modern', message, mismatch(HEADER.protocolVersion, version, claimed))
  }
  if (!isModernRevision(claimed)) {
    const data = { supported: [...SUPPORTED_MODERN], requested: claimed.slice(0, 64) }
    return refuse('modern', message, new PortolanError('unsupported_version', { data }))
  }
  const fault = metaFault(message.text, meta)
  if (fault !== undefined && message.kind === 'request') return refuse('modern', message, fault)
  return { ok: true, era: 'modern', revision: claimed, message }
}

function metaFault(text: WireText, meta: JsonNode | undefined): PortolanError | undefined {
  if (member(meta, META.clientCapabilities)?.kind !== 'object') return missingMeta(META.clientCapabilities)
  const clientInfo = member(meta, META.clientInfo)
  if (clientInfo !== undefined && clientInfo.kind !== 'object') return missingMeta(META.clientInfo)
  const level = member(meta, META.logLevel)
  if (level !== undefined && !LOG_LEVELS.some((known) => known === readString(text, level))) return missingMeta(META.logLevel)
  const token = member(meta, META.progressToken)
  const tokenGood = token === undefined || token.kind === 'string' || token.kind === 'number'
  return tokenGood ? undefined : missingMeta(META.progressToken)
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

function missingMeta(key: string): PortolanError {
  return new PortolanError('invalid_meta', { message: `Invalid params: _meta["${key}"] is missing or malformed` })
}

function mismatch(header: string, sent: string | undefined, expected: string): PortolanError {
  const got = sent === undefined ? 'is missing' : `is ${JSON.stringify(sent.slice(0, 128))}`
  return new PortolanError('header_mismatch', {
    message: `Header mismatch: ${header} ${got}, the body says ${JSON.stringify(expected.slice(0, 128))}`,
  })
}
