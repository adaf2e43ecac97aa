/** What each outcome looks like on the wire of an era: the one place that turns outcomes into answers. */

import { asciiJson, toWireText } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import { PortolanError, toErrorObject, toWire } from '../../protocol/error.ts'
import type { Outcome } from './outcome.ts'
import type { FinalAnswer } from './reply.ts'

export const JSON_HEADERS: Readonly<Record<string, string>> = { 'content-type': 'application/json' }
const NO_HEADERS: Readonly<Record<string, string>> = {}
/** What a 405 must name (RFC 9110 §15.5.6). */
const ALLOW: Readonly<Record<Era, Readonly<Record<string, string>>>> = { modern: { allow: 'POST' }, legacy: { allow: 'GET, POST, DELETE' } }

/** A JSON-RPC error response. `idText` '' gives no id to modern clients and a null one to legacy clients. */
export function errorText(error: unknown, era: Era, idText: string): WireText {
  const id = idText !== '' ? `"id":${idText},` : era === 'legacy' ? '"id":null,' : ''
  return `{"jsonrpc":"2.0",${id}"error":${asciiJson(toErrorObject(toWire(error, era)))}}`
}

/** A JSON-RPC result response around a result that is already wire text. */
export function resultText(idText: string, result: WireText): WireText {
  return `{"jsonrpc":"2.0","id":${idText},"result":${result}}`
}

/** The final answer for an outcome; undefined where nothing is (or can be) sent. */
export function renderOutcome(outcome: Outcome, era: Era, idText: string): FinalAnswer | undefined {
  switch (outcome.kind) {
    case 'answered':
      return { status: outcome.status, headers: JSON_HEADERS, text: outcome.text, ...(outcome.tail === undefined ? {} : { tail: outcome.tail }) }
    case 'opened':
      return { status: 200, headers: { ...JSON_HEADERS, ...outcome.headers }, text: outcome.text }
    case 'inputRequired':
    case 'task':
      return { status: 200, headers: JSON_HEADERS, text: outcome.text }
    case 'accepted':
      return { status: outcome.status, headers: NO_HEADERS, text: '' }
    case 'refused':
      return renderError(outcome.error, era, idText, outcome.error.code === 'method_not_allowed' ? ALLOW[era] : NO_HEADERS)
    case 'challenge':
      return renderError(outcome.error, era, idText, { 'www-authenticate': toWireText(outcome.challenge) })
    case 'stepUp': {
      const error = new PortolanError('insufficient_scope', { message: 'More scopes are needed', data: { scopes: [...outcome.scopes] } })
      return renderError(error, era, idText, { 'www-authenticate': toWireText(outcome.challenge) })
    }
    case 'approval': {
      const error = new PortolanError('forbidden', { message: 'Approval is needed first', data: { url: outcome.url } })
      return renderError(error, era, idText, NO_HEADERS)
    }
    case 'ended':
    case 'cancelled':
    case 'relayed':
    case 'disconnected':
      return undefined
  }
}

function renderError(
  error: PortolanError,
  era: Era,
  idText: string,
  more: Readonly<Record<string, string>>,
): FinalAnswer {
  const { status, retryAfterSec } = toWire(error, era)
  const retry = retryAfterSec === undefined ? NO_HEADERS : { 'retry-after': String(retryAfterSec) }
  return { status, headers: { ...JSON_HEADERS, ...more, ...retry }, text: errorText(error, era, idText) }
}
