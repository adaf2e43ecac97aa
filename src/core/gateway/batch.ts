/**
 * JSON-RPC batches, in sessions negotiated at 2025-03-26 only, never with `initialize` inside: split into exchanges,
 * answered as one array, or as a stream once anything comes before the last response (bridge-rulings §1).
 */

import { PortolanError } from '../../protocol/error.ts'
import { member, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { WireText } from '../../protocol/json.ts'
import { splitBatch } from '../../protocol/message.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { Views } from '../catalog/view.ts'
import { createStreamReply } from '../session/stream-reply.ts'
import type { StreamReply } from '../session/stream-reply.ts'
import { beginExchange } from './begin.ts'
import type { GatewayContext } from './context.ts'
import { decodeLine } from './decode.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import type { HttpResponse } from './http-exchange.ts'
import { JSON_HEADERS } from './render.ts'
import { bodyLength, wholeText } from './reply.ts'
import type { Reply } from './reply.ts'
import { identify, runStages } from './stages.ts'

/** More than this in one array is refused: each one is an exchange. */
const MAX_BATCH = 100

export async function runBatch(context: GatewayContext, views: Views, exchange: Exchange, response: HttpResponse): Promise<void> {
  const refuse = (message: string): void =>
    void finish(context, exchange, { kind: 'refused', error: new PortolanError('invalid_request', { message: `Invalid request: ${message}` }) })
  if (exchange.era === 'modern') return refuse('batches do not exist in this revision')
  const scan = scanJson(exchange.text, { '*': {} }, exchange.snapshot.limits.jsonDepth)
  if (!scan.ok) {
    const code = scan.fault.reason === 'duplicate_key' ? 'duplicate_key' : 'parse_error'
    finish(context, exchange, { kind: 'refused', error: new PortolanError(code) })
    return
  }
  const stopped = exchange.http?.header('mcp-session-id') === undefined ? undefined : await identify(context, exchange)
  if (stopped !== undefined) {
    finish(context, exchange, stopped)
    return
  }
  const { session } = exchange
  if (session === undefined || !traitsOf(session.data.revision).batches) return refuse('batches exist in sessions of 2025-03-26 only')
  const texts = readBatch(exchange.text, exchange.snapshot.limits.jsonDepth)
  if (texts === undefined) return refuse('an empty or too long batch, or one with initialize inside')
  const stream = createStreamReply({
    response,
    events: context.deps.events,
    sessionId: session.data.id,
    streamId: exchange.id,
    priming: false,
    streams: false,
    onDone: () => void session.replies.delete(exchange.id),
  })
  session.replies.set(exchange.id, stream)
  exchange.reply = stream
  startAll(context, views, exchange, texts, stream)
}

/** The messages of a batch; undefined where it is none that may be run. */
export function readBatch(text: WireText, jsonDepth: number): readonly WireText[] | undefined {
  const texts = splitBatch(text, jsonDepth)
  return texts === undefined || texts.length > MAX_BATCH || texts.some((one) => isInitialize(one, jsonDepth)) ? undefined : texts
}

function isInitialize(text: WireText, jsonDepth: number): boolean {
  const scan = scanJson(text, {}, jsonDepth)
  const method = scan.ok ? member(scan.value, 'method') : undefined
  // Decoded: an escaped spelling is the same method.
  return readString(text, method) === 'initialize'
}

function startAll(context: GatewayContext, views: Views, exchange: Exchange, texts: readonly WireText[], stream: StreamReply): void {
  const answers: WireText[] = []
  let open = texts.length
  let streaming = false
  const part = (): Reply => ({
    send(text) {
      if (!streaming) for (const answer of answers.splice(0)) stream.send(answer)
      streaming = true
      return stream.send(text)
    },
    onDrain: (run) => stream.onDrain(run),
    suspend() {},
    keepAlive: () => stream.keepAlive(),
    finish(answer) {
      if (answer !== undefined && answer.text !== '') {
        if (streaming) stream.send(wholeText(answer))
        else answers.push(wholeText(answer))
      }
      open -= 1
      if (open === 0) endBatch(context, exchange, streaming ? undefined : answers)
      return answer === undefined ? 0 : bodyLength(answer)
    },
  })
  for (const text of texts) startOne(context, views, exchange, text, part())
}

function startOne(context: GatewayContext, views: Views, batch: Exchange, text: WireText, reply: Reply): void {
  const exchange = beginExchange(context, { transport: 'http', endpoint: batch.endpoint, era: 'legacy', reply })
  exchange.text = text
  exchange.principal = batch.principal
  exchange.session = batch.session
  const decoded = decodeLine(text, batch.snapshot.limits.jsonDepth)
  exchange.message = decoded.message
  if (decoded.ok) runStages(context, exchange, views)
  else finish(context, exchange, { kind: 'refused', error: decoded.error }, decoded.idText)
}

function endBatch(context: GatewayContext, batch: Exchange, answers: readonly WireText[] | undefined): void {
  if (answers === undefined) finish(context, batch, { kind: 'ended' })
  else if (answers.length === 0) finish(context, batch, { kind: 'accepted', status: 202 })
  else finish(context, batch, { kind: 'opened', text: `[${answers.join(',')}]`, headers: JSON_HEADERS })
}
