/**
 * `HttpResponse` over node:http. What is answered in one piece leaves in one write, head and body together. A class, for
 * the same reason as `NodeRequest`.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { HttpResponse } from '../../core/gateway/http-exchange.ts'
import type { NodeRequest } from './node-request.ts'
import type { Connection } from './connection.ts'
import { lingerAfterAnswer } from './linger.ts'

type Headers = Readonly<Record<string, string>>

export class NodeResponse implements HttpResponse {
  readonly #incoming: IncomingMessage
  readonly #outgoing: ServerResponse
  readonly #request: NodeRequest
  readonly #connection: Connection
  readonly #cors: Headers | undefined
  #gone = false
  #onGone: (() => void) | undefined

  constructor(
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    request: NodeRequest,
    connection: Connection,
    cors: Headers | undefined,
  ) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.#request = request
    this.#connection = connection
    this.#cors = cors
    connection.add(this)
  }

  get headSent(): boolean {
    return this.#outgoing.headersSent || this.#gone
  }

  head(status: number, headers: Headers): void {
    if (this.headSent) return
    this.#outgoing.writeHead(status, this.#complete(headers))
    // Not at once: the first piece, if it comes in this turn, leaves in the same write as the head.
    process.nextTick(() => {
      if (!this.#outgoing.destroyed) this.#outgoing.flushHeaders()
    })
  }

  write(text: string): boolean {
    const outgoing = this.#outgoing
    if (this.#gone || outgoing.destroyed || outgoing.writableEnded) return true
    return text === '' || outgoing.write(text, 'latin1')
  }

  end(): void {
    if (this.#outgoing.writableEnded) return
    this.#connection.remove(this)
    this.#onGone = undefined
    if (!this.#gone && !this.#outgoing.destroyed) this.#outgoing.end()
  }

  answer(status: number, headers: Headers, text: string, tail?: Buffer): void {
    if (this.headSent || this.#outgoing.writableEnded) return
    this.#connection.remove(this)
    this.#onGone = undefined
    const outgoing = this.#outgoing
    const complete = this.#complete(headers)
    if (text !== '' || (status !== 204 && status !== 304)) complete['content-length'] = String(text.length + (tail?.length ?? 0))
    outgoing.writeHead(status, complete)
    // A string goes out in one write with the head; a Buffer would take two.
    if (tail !== undefined) {
      outgoing.write(text, 'latin1')
      outgoing.end(tail)
    } else if (text === '') outgoing.end()
    else outgoing.end(text, 'latin1')
  }

  destroy(): void {
    this.#incoming.socket.destroy()
  }

  onDrain(run: () => void): void {
    this.#outgoing.once('drain', run)
  }

  onGone(run: () => void): void {
    if (this.#gone) queueMicrotask(run)
    else this.#onGone = run
  }

  /** The connection closed while this answer was not ended. */
  leave(): void {
    this.#gone = true
    this.#onGone?.()
  }

  #complete(headers: Headers): Record<string, string> {
    const complete: Record<string, string> = { ...headers }
    if (this.#cors !== undefined) addCors(complete, this.#cors)
    if (this.#request.mustClose) {
      lingerAfterAnswer(this.#incoming, this.#incoming.socket)
      complete['connection'] = 'close'
    } else if (this.#connection.closing()) complete['connection'] = 'close'
    return complete
  }
}

function addCors(headers: Record<string, string>, cors: Headers): void {
  for (const name of Object.keys(headers)) {
    if (name.toLowerCase() !== 'vary') continue
    const own = headers[name] ?? ''
    delete headers[name]
    Object.assign(headers, cors, { vary: `${own}, Origin` })
    return
  }
  Object.assign(headers, cors)
}
