/**
 * `HttpRequest` over node:http. Nothing is parsed or read before it is asked for. A class, because one is made for every
 * request and prototype methods cost no closures.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyFault, HttpRequest } from '../../core/gateway/http-exchange.ts'
import type { Deadlines } from './deadlines.ts'
import type { Forwarding, Peer } from './forwarding.ts'

type Body = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly fault: BodyFault }

export interface RequestContext {
  readonly bodyBytes: number
  readonly bodyDeadlines: Deadlines
  readonly forwarding: Forwarding
}

/** What a body that was not asked for may still hold for the connection to be kept: it is read and dropped. */
const KEEP_ALIVE_REST_BYTES = 64 * 1024

const NONE: readonly (readonly [name: string, value: string])[] = []

/** Whether a header's name, in whatever case, starts with `prefix`: lower-case letters and hyphens. Makes no string. */
function startsWithToken(name: string, prefix: string): boolean {
  if (name.length < prefix.length) return false
  // Of the characters of a token (RFC 9110 §5.6.2) only letters become lower-case letters so, and only a hyphen a hyphen.
  for (let at = 0; at < prefix.length; at += 1) if ((name.charCodeAt(at) | 0x20) !== prefix.charCodeAt(at)) return false
  return true
}

export class NodeRequest implements HttpRequest {
  readonly verb: string
  readonly path: string
  readonly #incoming: IncomingMessage
  readonly #context: RequestContext
  readonly #queryText: string
  /** Of an absolute-form target, which overrides `Host` (RFC 9112 §3.2.2); '' otherwise. */
  readonly targetAuthority: string
  #outgoing: ServerResponse | undefined
  #peer: Peer | undefined
  #query: URLSearchParams | undefined
  #body: Promise<Body> | undefined
  #receivedBytes = 0
  #faulted = false

  constructor(incoming: IncomingMessage, context: RequestContext) {
    this.#incoming = incoming
    this.#context = context
    this.verb = incoming.method ?? ''
    const target = incoming.url ?? ''
    let from = 0
    let authority = ''
    if (target.charCodeAt(0) !== 0x2f) {
      const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(target)
      if (absolute !== null) {
        authority = absolute[1] ?? ''
        from = absolute[0].length
      }
    }
    const mark = target.indexOf('?', from)
    const path = target.slice(from, mark === -1 ? target.length : mark)
    this.path = path === '' ? '/' : path
    this.#queryText = mark === -1 ? '' : target.slice(mark + 1)
    this.targetAuthority = authority
  }

  /** The client waits for `100 Continue`: it is sent when the body is asked for, not before the request was judged. */
  awaitsContinue(outgoing: ServerResponse): void {
    this.#outgoing = outgoing
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#queryText))
  }

  get remoteAddress(): string {
    return this.peer.address
  }

  /** Who is at the other end, after trusted proxies. */
  get peer(): Peer {
    return (this.#peer ??= this.#context.forwarding.peerOf(this.#incoming))
  }

  header(lowerCaseName: string): string | undefined {
    const value = this.#incoming.headers[lowerCaseName]
    return typeof value === 'string' ? value : Array.isArray(value) ? value.join(', ') : undefined
  }

  headersWith(prefix: string): readonly (readonly [name: string, value: string])[] {
    const raw = this.#incoming.rawHeaders
    let found: [string, string][] | undefined
    for (let at = 0; at + 1 < raw.length; at += 2) {
      const name = raw[at] ?? ''
      if (startsWithToken(name, prefix)) (found ??= []).push([name.toLowerCase(), raw[at + 1] ?? ''])
    }
    return found ?? NONE
  }

  body(): Promise<Body> {
    return (this.#body ??= this.#readBody())
  }

  /** True where the rest of the body is too much to drop for the sake of the connection, or of unknown length. */
  get mustClose(): boolean {
    if (this.#faulted) return true
    if (this.#incoming.complete) return false
    const { headers } = this.#incoming
    if (headers['transfer-encoding'] !== undefined || this.#outgoing !== undefined) return true
    return Number(headers['content-length'] ?? 0) - this.#receivedBytes > KEEP_ALIVE_REST_BYTES
  }

  #readBody(): Promise<Body> {
    const incoming = this.#incoming
    const { 'content-length': declared, 'transfer-encoding': coding } = incoming.headers
    if (declared === undefined && coding === undefined) return Promise.resolve({ ok: true, value: '' })
    if (declared !== undefined && Number(declared) > this.#context.bodyBytes) return Promise.resolve(this.#fault('too_large'))
    if (incoming.destroyed && !incoming.complete) return Promise.resolve(this.#fault('disconnected'))
    if (this.#outgoing !== undefined) this.#outgoing.writeContinue()
    this.#outgoing = undefined
    return new Promise((resolve) => this.#collect(resolve))
  }

  #collect(resolve: (body: Body) => void): void {
    const incoming = this.#incoming
    const { bodyBytes, bodyDeadlines } = this.#context
    let first: Buffer | undefined
    let more: Buffer[] | undefined
    let isSettled = false
    // The listeners stay until the request goes: taking three off costs as much as putting them on.
    const settle = (body: Body): void => {
      if (isSettled) return
      isSettled = true
      first = more = undefined
      bodyDeadlines.cancel(deadline)
      resolve(body)
    }
    const onData = (chunk: Buffer): void => {
      if (isSettled) return
      this.#receivedBytes += chunk.length
      if (this.#receivedBytes > bodyBytes) {
        incoming.pause()
        settle(this.#fault('too_large'))
      } else if (first === undefined) first = chunk
      else if (more === undefined) more = [first, chunk]
      else more.push(chunk)
    }
    const onEnd = (): void => {
      const whole = more === undefined ? first : Buffer.concat(more, this.#receivedBytes)
      settle({ ok: true, value: whole === undefined ? '' : whole.toString('latin1') })
    }
    const onClose = (): void => {
      if (!isSettled) settle(this.#fault('disconnected'))
    }
    const deadline = bodyDeadlines.start(() => {
      incoming.pause()
      settle(this.#fault('timeout'))
    })
    incoming.on('data', onData).on('end', onEnd).on('close', onClose)
  }

  #fault(reason: BodyFault['reason']): Body {
    this.#faulted = true
    return { ok: false, fault: { reason } }
  }
}
