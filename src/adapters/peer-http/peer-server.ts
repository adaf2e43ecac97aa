/**
 * Answers peers on a listener of its own. What does not prove itself gets 401 and no word; a refusal is sealed, and so worth
 * something to the asker, only for a request that is genuine, fresh and the first of its nonce: nobody can obtain the refusal
 * of a request that was taken. Everything is bounded before it is believed.
 */
import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { Clock } from '../../core/clock.ts'
import type { PeerService } from '../../core/gateway/peer-link.ts'
import { createTextQueue } from '../../core/gateway/text-queue.ts'
import type { TextQueue } from '../../core/gateway/text-queue.ts'
import { PortolanError } from '../../protocol/error.ts'
import { createFrameWriter } from './frame-writer.ts'
import type { FrameWriter } from './frame-writer.ts'
import { NONCE_LIFETIME_MS, PROOF_LIFETIME_MS, openProof, openText, sealedBytesOf } from './proof.ts'
import type { PeerPath, Proof } from './proof.ts'

export interface PeerServerOptions {
  readonly replicaId: string
  readonly keyring: Keyring
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** Of this process alone: a request names its receiver, whose id no other process ever has. */
  readonly replayGuard: ReplayGuard
  readonly maxCalls: number
  readonly maxTextChars: number
  /** How long a request may take to arrive. */
  readonly receiveMs: number
  /** A request that proves nothing, or is not for this replica, or comes again. */
  readonly onForeign: (reason: string) => void
}

export interface PeerServer {
  readonly services: Map<string, PeerService>
  /** A server that is not listening yet; `close` closes it. */
  open(): Server
  beat(): void
  close(): Promise<void>
}

interface Asker {
  silentBeats: number
}

interface Call {
  readonly from: string
  readonly more: TextQueue
  readonly gone: AbortController
}

const PATHS: readonly PeerPath[] = ['/peer/1/alive', '/peer/1/call', '/peer/1/more']
/** An asker that said nothing for so many beats is dead, although its connections may not be closed. */
const ASKER_SILENT_BEATS = 10
const ROOM_CHARS = 65_536
const FAREWELL_MS = 500
const MAX_HEADER_BYTES = 8_192
/** Longer than askers keep a connection: one that is used again is not being closed at that moment. */
const KEEP_ALIVE_MS = 60_000
const MAX_CONNECTIONS_PER_CALL = 2

export function createPeerServer(options: PeerServerOptions): PeerServer {
  const { replicaId, keyring, clock, telemetry, replayGuard, maxCalls, maxTextChars, receiveMs, onForeign } = options
  const services = new Map<string, PeerService>()
  const calls = new Map<string, Call>()
  const askers = new Map<string, Asker>()
  const writers = new Set<FrameWriter>()
  const servers: Server[] = []
  let isClosing = false
  for (const labels of [TAKEN, REFUSED, FOREIGN]) telemetry.count('peer_requests_total', labels, 0)

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = PATHS.find((known) => known === request.url)
    const header = request.headers['portolan-proof']
    const proof = path === undefined || request.method !== 'POST' ? undefined : openProof(keyring, path, typeof header === 'string' ? header : undefined)
    const reason = proof === undefined ? 'no proof' : await faultOf(proof)
    const body = reason === undefined ? await readBody(request, sealedBytesOf(maxTextChars)) : undefined
    if (proof === undefined || path === undefined || reason !== undefined || body === undefined) return refuseForeign(request, response, reason ?? 'no body')
    // An asker that gave up while this process was stopped must not be served: it may be asking elsewhere. Its farewell waits
    // behind its request, and is read one turn of the event loop later.
    await turn()
    await turn()
    if (request.socket.readableEnded || request.socket.destroyed) return
    const asker = askers.get(proof.from)
    if (asker === undefined) askers.set(proof.from, { silentBeats: 0 })
    else asker.silentBeats = 0
    if (isClosing) response.setHeader('connection', 'close')
    const writer = createFrameWriter(response, keyring, replicaId, proof.nonce)
    writers.add(writer)
    response.once('close', () => writers.delete(writer))
    await ANSWERS[path]({ proof, body, request, response, writer })
  }

  /** What makes a genuine proof worthless; the order matters not, the nonce is taken last. */
  async function faultOf({ from, to, atMs, nonce }: Proof): Promise<string | undefined> {
    if (to !== replicaId) return 'for another replica'
    if (Math.abs(clock.nowMs() - atMs) > PROOF_LIFETIME_MS) return 'clocks too far apart, or too late'
    return (await replayGuard.firstUse(`peer ${from} ${nonce}`, NONCE_LIFETIME_MS)) ? undefined : 'seen before'
  }

  interface Asked {
    readonly proof: Proof
    readonly body: string
    readonly request: IncomingMessage
    readonly response: ServerResponse
    readonly writer: FrameWriter
  }

  const ANSWERS: Readonly<Record<PeerPath, (asked: Asked) => Promise<void> | void>> = {
    '/peer/1/alive': ({ writer }) => (isClosing ? refuse(writer, 'closing') : writer.end({ kind: 'end' })),
    '/peer/1/call': answerCall,
    '/peer/1/more': answerMore,
  }

  async function answerCall({ proof, body, request, response, writer }: Asked): Promise<void> {
    const text = openText(keyring, proof.nonce, body)
    if (text === undefined) return refuseForeign(request, response, 'altered text')
    const service = services.get(proof.topic)
    if (isClosing || service === undefined) return refuse(writer, 'nobody for this topic')
    if (calls.size >= maxCalls) return refuse(writer, 'too many calls')
    const call: Call = { from: proof.from, more: createTextQueue(ROOM_CHARS), gone: new AbortController() }
    calls.set(proof.nonce, call)
    call.gone.signal.addEventListener('abort', () => response.destroy(), { once: true })
    response.once('close', () => {
      calls.delete(proof.nonce)
      call.more.close()
      // An abort costs an exception with its stack: only where there is something to stop.
      if (!response.writableFinished) call.gone.abort()
    })
    telemetry.count('peer_requests_total', TAKEN)
    await writer.write({ kind: 'taken' })
    try {
      for await (const message of service(text, call.gone.signal, call.more)) {
        if (call.gone.signal.aborted) return
        if (message.length > maxTextChars) throw new PortolanError('upstream_oversized')
        await writer.write({ kind: 'message', text: message })
      }
      writer.end({ kind: 'end' })
    } catch (error) {
      writer.end({ kind: 'failed', error: error instanceof PortolanError ? error : new PortolanError('internal') })
    }
  }

  async function answerMore({ proof, body, request, response, writer }: Asked): Promise<void> {
    const call = calls.get(proof.call)
    if (call === undefined || call.from !== proof.from) return refuse(writer, 'no such call')
    if (proof.isLast) {
      call.more.end()
      return writer.end({ kind: 'end' })
    }
    const text = openText(keyring, proof.nonce, body)
    if (text === undefined) return refuseForeign(request, response, 'altered text')
    await call.more.push(text)
    writer.end({ kind: 'end' })
  }

  function refuse(writer: FrameWriter, reason: string): void {
    telemetry.count('peer_requests_total', REFUSED)
    writer.end({ kind: 'refused', reason })
  }

  function refuseForeign(request: IncomingMessage, response: ServerResponse, reason: string): void {
    telemetry.count('peer_requests_total', FOREIGN)
    onForeign(reason)
    if (response.headersSent) return void response.destroy()
    response.writeHead(401, { connection: 'close' }).end(() => request.socket.destroy())
  }

  function open(): Server {
    const limits = { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: receiveMs, requestTimeout: receiveMs, connectionsCheckingInterval: receiveMs / 5, keepAliveTimeout: KEEP_ALIVE_MS }
    const server = createServer(limits, (request, response) => {
      request.on('error', () => {})
      response.on('error', () => {})
      handle(request, response).catch(() => response.destroy())
    })
    server.maxConnections = maxCalls * MAX_CONNECTIONS_PER_CALL
    servers.push(server)
    return server
  }

  return {
    services,
    open,
    beat() {
      for (const writer of writers) writer.beat()
      for (const [id, asker] of askers) {
        asker.silentBeats += 1
        if (asker.silentBeats <= ASKER_SILENT_BEATS) continue
        askers.delete(id)
        for (const call of calls.values()) if (call.from === id) call.gone.abort()
      }
    },
    async close() {
      isClosing = true
      for (const call of calls.values()) call.gone.abort()
      // Who asked lately may be asking now, on a connection that is open: told so, it asks elsewhere; cut off, it would not know.
      if (askers.size > 0) await new Promise<void>((resolve) => clock.after(FAREWELL_MS, resolve))
      await Promise.all(servers.map((server) => new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })))
    },
  }
}

const TAKEN = { side: 'served', outcome: 'taken' }
const REFUSED = { side: 'served', outcome: 'refused' }
const FOREIGN = { side: 'served', outcome: 'foreign' }

/** Undefined where it does not say how long it is, is longer than it may be, or ends early. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<string | undefined> {
  const length = Number(request.headers['content-length'] ?? Number.NaN)
  if (!(length <= maxBytes)) return undefined
  const chunks: Buffer[] = []
  try {
    for await (const chunk of request) chunks.push(chunk)
  } catch {
    return undefined
  }
  return Buffer.concat(chunks).toString('latin1')
}
