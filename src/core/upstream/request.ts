/** Portolan's own requests to an upstream (lists, subscriptions, log levels): one message out, one back. */

import { PortolanError } from '../../protocol/error.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { HEADER } from '../../protocol/header.ts'
import { ownRequestMeta } from '../../protocol/modern/request-meta.ts'
import type { Clock } from '../clock.ts'
import type { Channel, ChannelFailure } from './channel.ts'
import { requestOnce } from './request-once.ts'

/** Members of `params` besides `_meta`, as wire text. */
export type ParamTexts = Readonly<Record<string, WireText>>

/** A request of our own, with the metadata of the channel's era. */
export function ownRequestText(
  channel: Channel,
  idText: string,
  method: string,
  params: ParamTexts,
  self: { readonly name: string; readonly version: string },
  capabilities?: WireText,
): WireText {
  const meta = channel.era === 'modern' ? { _meta: ownRequestMeta(channel.revision, self, capabilities) } : {}
  const members = Object.entries({ ...params, ...meta }).map(([key, value]) => `"${key}":${value}`)
  const body = members.length === 0 && channel.era === 'legacy' ? '' : `,"params":{${members.join(',')}}`
  return `{"jsonrpc":"2.0","id":${idText},"method":"${method}"${body}}`
}

/** Who asks, and how time passes. */
export interface Asker {
  readonly clock: Clock
  readonly self: { readonly name: string; readonly version: string }
  /** What is declared to modern servers, for the client that it is asked for; undefined: nothing. */
  readonly capabilities?: WireText
}

const ASK_TIMEOUT_MS = 30_000

/** Sends it and resolves with the response, result or error; rejects with PortolanError where none came. */
export async function ask(channel: Channel, method: string, params: ParamTexts, asker: Asker): Promise<Message> {
  const idText = channel.nextId()
  const answer = await requestOnce(channel, asker.clock, {
    text: ownRequestText(channel, idText, method, params, asker.self, asker.capabilities),
    idText,
    method,
    headers: channel.era === 'modern' ? [[HEADER.method, method]] : [],
    timeoutMs: ASK_TIMEOUT_MS,
  })
  if (!answer.ok) throw failureError(answer.failure, true)
  return answer.message
}

/**
 * What a failed call is to the client (guarantee 1). `safe`: the call may be repeated without harm, so that nothing is
 * lost by saying only that the server is unavailable.
 */
export function failureError(failure: ChannelFailure, safe: boolean): PortolanError {
  const { reason, sent, retryAfterSec, detail } = failure
  const options = { cause: detail, ...(retryAfterSec === undefined ? {} : { retryAfterSec }) }
  if (reason === 'malformed') return new PortolanError('upstream_malformed', options)
  if (reason === 'oversized') return new PortolanError('upstream_oversized', options)
  if (reason === 'timeout') return new PortolanError('upstream_timeout', options)
  if (reason === 'overloaded') return new PortolanError('overloaded', { retryAfterSec: 1, ...options })
  if (!sent || safe || reason === 'unreachable') return new PortolanError('upstream_unavailable', options)
  return new PortolanError('outcome_unknown', options)
}
