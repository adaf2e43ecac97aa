/** Answers the list methods from the views, page by page, with sealed cursors. */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import { META } from '../../protocol/meta.ts'
import { partyOf } from '../bridge/party.ts'
import { isServed } from '../bridge/server-extension.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { resultText } from '../gateway/render.ts'
import { LISTS } from './list-kind.ts'
import type { ListKind } from './list-kind.ts'
import type { View, Views } from './view.ts'

/** Rejects or throws with PortolanError: `invalid_cursor`, `upstream_unavailable`, `method_not_found` for a list of an extension that no server has. */
export function answerList(context: GatewayContext, views: Views, exchange: Exchange, kind: ListKind): Outcome | Promise<Outcome> {
  const offset = offsetOf(context, exchange, kind)
  const view = views.view(partyOf(exchange), exchange.endpoint, kind)
  if (view instanceof Promise) return view.then((ready) => page(context, exchange, kind, ready, offset))
  return page(context, exchange, kind, view, offset)
}

function page(context: GatewayContext, exchange: Exchange, kind: ListKind, view: View, offset: number): Outcome {
  const { pageSize } = exchange.snapshot
  const { extension } = LISTS[kind]
  if (view.texts.length === 0 && extension !== undefined && !isServed(context, exchange.endpoint, exchange.era, extension)) throw new PortolanError('method_not_found')
  const idText = exchange.message?.idText ?? ''
  if (offset === 0 && view.texts.length <= pageSize) {
    return { kind: 'answered', text: `{"jsonrpc":"2.0","id":${idText},"result":`, tail: wholeList(context, exchange, kind, view), status: 200, failed: false }
  }
  const next = offset + pageSize
  const items = view.texts.slice(offset, next).join(',')
  const more = next < view.texts.length ? `,"nextCursor":${asciiJson(sealCursor(context, exchange, kind, next))}` : ''
  const result = `{"${LISTS[kind].field}":[${items}]${more}${hints(context, exchange, kind, view)}}`
  return { kind: 'answered', text: resultText(idText, result), status: 200, failed: false }
}

const whole = new WeakMap<View, Buffer>()

/** The usual case, all items on one page: joined once for as long as the view lives. A view is of one era. */
function wholeList(context: GatewayContext, exchange: Exchange, kind: ListKind, view: View): Buffer {
  const known = whole.get(view)
  if (known !== undefined) return known
  const result = `{"${LISTS[kind].field}":[${view.texts.join(',')}]${hints(context, exchange, kind, view)}}}`
  const bytes = Buffer.from(result, 'latin1')
  whole.set(view, bytes)
  return bytes
}

function hints(context: GatewayContext, exchange: Exchange, kind: ListKind, view: View): WireText {
  // An extension's list has them in sessions, too.
  if (exchange.era === 'legacy') return LISTS[kind].extension === undefined ? '' : `,"ttlMs":${view.ttlMs},"cacheScope":"${view.cacheScope}"`
  return `,"resultType":"complete","ttlMs":${view.ttlMs},"cacheScope":"${view.cacheScope}","_meta":{"${META.serverInfo}":${context.selfText}}`
}

function sealCursor(context: GatewayContext, exchange: Exchange, kind: ListKind, offset: number): string {
  const { bindingKey } = partyOf(exchange).principal
  return context.deps.keyring.seal('cursor', bindingKey, `${exchange.endpoint}|${kind}|${offset}`)
}

function offsetOf(context: GatewayContext, exchange: Exchange, kind: ListKind): number {
  const { message } = exchange
  const node = member(message?.body, 'cursor')
  if (message === undefined || node === undefined || node.kind === 'null') return 0
  const handle = readString(message.text, node)
  const plain = handle === undefined ? undefined : context.deps.keyring.open('cursor', partyOf(exchange).principal.bindingKey, handle)
  const [endpoint, ofKind, offset] = plain?.split('|') ?? []
  if (endpoint !== exchange.endpoint || ofKind !== kind || offset === undefined) throw new PortolanError('invalid_cursor')
  return Number(offset)
}
