/**
 * Tells the messages of one shared stream apart (stdio of both eras, HTTP+SSE): responses by id, progress by token,
 * what belongs to a `subscriptions/listen` by its subscription id (S26 transports/stdio, Receiving Messages).
 */
import { member } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import { isBatch, parseMessage, splitBatch } from '../../protocol/message.ts'
import type { IdText, Message, MessageFault } from '../../protocol/message.ts'
import { LiveMap } from '../live-map.ts'
import type { ChannelCall, ChannelFailure } from './channel.ts'

export interface Correlator {
  add(call: ChannelCall): void
  /** False: it is not in flight any more. `onLate`: takes its response, should there be one after all. */
  remove(idText: IdText, onLate?: (response: Message) => void): boolean
  /** Hands the message to its call; says what became of it. */
  route(message: Message): 'delivered' | 'paused' | 'unclaimed' | 'stray'
  /** Ends one call, where it is in flight. */
  fail(idText: IdText, failure: ChannelFailure): void
  failAll(failure: ChannelFailure): void
  readonly size: number
}

const SUBSCRIPTION_ID = 'io.modelcontextprotocol/subscriptionId'
const LISTEN = 'subscriptions/listen'
/** Calls that were given up and are not answered yet: a server that never answers them must not have us wait for all. */
const MAX_LATE = 64

export function createCorrelator(options: { readonly isModern: boolean }): Correlator {
  const calls = new LiveMap<IdText, ChannelCall>()
  const byToken = new Map<string, ChannelCall>()
  const late = new Map<IdText, (response: Message) => void>()

  function take(idText: IdText): ChannelCall | undefined {
    const call = calls.get(idText)
    if (call === undefined) return undefined
    calls.delete(idText)
    if (call.progressToken !== '') byToken.delete(call.progressToken)
    return call
  }

  function noteLate(idText: IdText, onLate: (response: Message) => void): void {
    late.set(idText, onLate)
    const [oldest] = late.keys()
    if (late.size > MAX_LATE && oldest !== undefined) late.delete(oldest)
  }

  function takeLate(message: Message): 'delivered' | 'stray' {
    const onLate = late.get(message.idText)
    if (onLate === undefined) return 'stray'
    late.delete(message.idText)
    onLate(message)
    return 'delivered'
  }

  function listenOf(text: WireText, id: JsonNode): ChannelCall | undefined {
    const written = text.slice(id.start, id.end)
    const call = calls.get(written) ?? calls.get(id.kind === 'string' ? written.slice(1, -1) : `"${written}"`)
    return call?.method === LISTEN ? call : undefined
  }

  function deliver(call: ChannelCall | undefined, message: Message): 'delivered' | 'paused' | 'stray' {
    if (call === undefined) return 'stray'
    return call.handler.onMessage(message) ? 'delivered' : 'paused'
  }

  function routeNotification(message: Message): 'delivered' | 'paused' | 'unclaimed' | 'stray' {
    const { text, body, method } = message
    if (method === 'notifications/progress') {
      const token = member(body, 'progressToken')
      return deliver(token === undefined ? undefined : byToken.get(text.slice(token.start, token.end)), message)
    }
    if (!options.isModern) return 'unclaimed'
    const subscription = member(member(body, '_meta'), SUBSCRIPTION_ID)
    if (subscription !== undefined) return deliver(listenOf(text, subscription), message)
    if (method === 'notifications/cancelled') return endListen(message)
    if (method === 'notifications/message') return deliver(onlyCall(), message)
    return 'unclaimed'
  }

  /** A log message belongs to a request and does not say to which: it is attributed where only one can be meant. */
  function onlyCall(): ChannelCall | undefined {
    let only: ChannelCall | undefined
    for (const call of calls.values()) {
      if (call.method === LISTEN) continue
      if (only !== undefined) return undefined
      only = call
    }
    return only
  }

  /** The server tears a listen down; a result may follow (S26 patterns/subscriptions) and is then a stray. */
  function endListen(message: Message): 'delivered' | 'stray' {
    const id = member(message.body, 'requestId')
    const call = id === undefined ? undefined : listenOf(message.text, id)
    if (call === undefined) return 'stray'
    take(call.idText)
    call.handler.onFailure({ reason: 'closed', sent: true, detail: 'the server ended the subscription' })
    return 'delivered'
  }

  return {
    add(call) {
      calls.set(call.idText, call)
      if (call.progressToken !== '') byToken.set(call.progressToken, call)
    },
    remove(idText, onLate) {
      if (take(idText) === undefined) return false
      if (onLate !== undefined) noteLate(idText, onLate)
      return true
    },
    route(message) {
      if (message.kind === 'request') return 'unclaimed'
      if (message.kind === 'notification') return routeNotification(message)
      const call = take(message.idText)
      if (call === undefined) return takeLate(message)
      call.handler.onResponse(message)
      return 'delivered'
    },
    fail: (idText, failure) => take(idText)?.handler.onFailure(failure),
    failAll(failure) {
      const all = calls.values()
      calls.clear()
      byToken.clear()
      late.clear()
      for (const call of all) call.handler.onFailure(failure)
    },
    get size() {
      return calls.size
    },
  }
}

/** Which calls a text answers that is no message: a broken response, or responses in an array where there are none. Without this they would wait for ever. */
export function brokenAnswers(text: WireText, { idText }: MessageFault): readonly IdText[] {
  if (!isBatch(text)) return idText === '' ? [] : [idText]
  const scans = (splitBatch(text) ?? []).map((item) => parseMessage(item))
  return scans.map((scan) => (scan.ok ? (scan.value.method === '' ? scan.value.idText : '') : scan.fault.idText)).filter((id) => id !== '')
}
