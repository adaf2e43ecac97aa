/**
 * Answers peers on a listener of its own. Who does not hold the key ring gets no word; a refusal comes over the same connection as the call,
 * so it is worth something to the asker: nobody else can make one, and a call that was taken gets none. Everything is bounded before it is believed.
 */
import type { Server, Socket } from 'node:net'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { Clock } from '../../core/clock.ts'
import { FORMATS, isRead } from '../../core/format.ts'
import type { PeerService } from '../../core/gateway/peer-link.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { KEY_BEATS, KEY_GONE, createConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import type { FrameKind } from './frame.ts'
import { NO_ROOM } from './loss.ts'
import { createSecureServer } from './secure.ts'
import type { SecureEnd } from './secure.ts'
import { createServedCall } from './served-call.ts'
import type { ServedCall } from './served-call.ts'

export interface PeerServerOptions {
  readonly replicaId: string
  readonly keyring: Keyring
  readonly clock: Clock
  readonly telemetry: Telemetry
  readonly maxCalls: number
  readonly maxTextChars: number
  readonly handshakeMs: number
  /** Somebody that does not hold the key ring, or is led here. */
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
  readonly connection: Connection
  readonly calls: Map<number, ServedCall>
  /** Texts that are not whole yet, by conversation. */
  readonly parts: Map<number, string>
  readonly isKeyKnown: () => boolean
  isKnown: boolean
}

interface Arrival {
  readonly asker: Asker
  readonly stream: number
  readonly call: ServedCall
  readonly service: PeerService
}

/** An asker that said nothing for so many beats is dead, although its connection may not be closed. */
const ASKER_SILENT_BEATS = 10
const FAREWELL_MS = 500
/** Those that have not shown yet who they are among them; each replica needs one. */
const MAX_CONNECTIONS = 1_024
const MAX_TOPIC_CHARS = 256

export function createPeerServer(options: PeerServerOptions): PeerServer {
  const { replicaId, keyring, clock, telemetry, maxCalls, maxTextChars, handshakeMs, onForeign } = options
  const services = new Map<string, PeerService>()
  const askers = new Set<Asker>()
  const sockets = new Set<Socket>()
  const servers: Server[] = []
  let arrivals: Arrival[] = []
  let callCount = 0
  let beats = 0
  let isClosing = false
  let onNobodyLeft = (): void => {}
  for (const labels of [TAKEN, REFUSED, FOREIGN]) telemetry.count('portolan_peer_requests_total', labels, 0)

  function takeAsker({ socket, isKeyKnown }: SecureEnd): void {
    const connection = createConnection({ socket, silentBeats: ASKER_SILENT_BEATS, take: (kind, stream, text) => take(asker, kind, stream, text), onClosed })
    const asker: Asker = { connection, calls: new Map(), parts: new Map(), isKeyKnown, isKnown: false }
    function onClosed(): void {
      askers.delete(asker)
      for (const call of asker.calls.values()) call.abort()
      if (askers.size === 0) onNobodyLeft()
    }
    askers.add(asker)
  }

  function take(asker: Asker, kind: FrameKind, stream: number, text: string): void {
    if (!asker.isKnown) return kind === 'hello' ? greet(asker, text) : asker.connection.destroy('no greeting')
    const parts = asker.parts.get(stream)
    const whole = parts === undefined ? text : parts + text
    if (whole.length > maxTextChars + MAX_TOPIC_CHARS) return asker.connection.destroy('a text beyond the limit')
    if (kind === 'part') return void asker.parts.set(stream, whole)
    if (parts !== undefined) asker.parts.delete(stream)
    if (kind === 'call') takeCall(asker, stream, whole)
    else answerTo(asker.calls.get(stream), kind, whole)
  }

  function greet(asker: Asker, text: string): void {
    const hello: unknown = JSON.parse(text)
    const format = isJsonObject(hello) ? hello['v'] : undefined
    if (!isRead(FORMATS.peer, format) || isClosing) return refuse(asker.connection, 0, isClosing ? 'closing' : 'a format that is not known')
    asker.isKnown = true
    asker.connection.post('welcome', 0, JSON.stringify({ v: format, from: replicaId }))
  }

  function takeCall(asker: Asker, stream: number, text: string): void {
    const at = text.indexOf('\n')
    const service = services.get(text.slice(0, at))
    if (isClosing || service === undefined) return refuse(asker.connection, stream, isClosing ? 'closing' : 'nobody for this topic')
    if (callCount >= maxCalls) return refuse(asker.connection, stream, NO_ROOM)
    callCount += 1
    const onOver = (): void => {
      callCount -= 1
      asker.calls.delete(stream)
    }
    const call = createServedCall({ connection: asker.connection, stream, text: text.slice(at + 1), maxTextChars, onOver })
    asker.calls.set(stream, call)
    arrivals.push({ asker, stream, call, service })
    if (arrivals.length === 1) setImmediate(waitATurn)
  }

  /**
   * An asker that gave up while this process was stopped must not be served: it may be asking elsewhere. Its farewell waits behind
   * its calls, and is read one turn of the event loop later.
   */
  function waitATurn(): void {
    const ripe = arrivals
    arrivals = []
    setImmediate(() => ripe.forEach(serveIfWanted))
  }
  function serveIfWanted({ asker, stream, call, service }: Arrival): void {
    if (!asker.connection.isOpen() || asker.calls.get(stream) !== call) return
    telemetry.count('portolan_peer_requests_total', TAKEN)
    void call.serve(service)
  }

  function refuse(connection: Connection, stream: number, reason: string): void {
    telemetry.count('portolan_peer_requests_total', REFUSED)
    connection.post('refused', stream, reason)
  }
  function refuseForeign(reason: string): void {
    telemetry.count('portolan_peer_requests_total', FOREIGN)
    onForeign(reason)
  }

  function open(): Server {
    const server = createSecureServer({ keyring, replicaId, handshakeMs, onAsker: takeAsker, onForeign: refuseForeign })
    server.maxConnections = MAX_CONNECTIONS
    server.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    })
    servers.push(server)
    return server
  }

  /** What is asked ends unanswered; what comes now is told that nothing is done with it, so that it is asked elsewhere. */
  function sayFarewell({ connection, calls }: Asker): void {
    for (const [stream, call] of calls) {
      call.abort()
      connection.post('cut', stream)
    }
    connection.post('closing', 0)
  }

  /** They hang up once they have read it; not those that are stopped, or lost. */
  function nobodyLeft(): Promise<void> {
    return new Promise((resolve) => {
      const stopTimer = clock.after(FAREWELL_MS, resolve)
      onNobodyLeft = () => {
        stopTimer()
        resolve()
      }
    })
  }

  return {
    services,
    open,
    beat() {
      beats += 1
      const looksAtKeys = beats % KEY_BEATS === 0
      for (const { connection, isKeyKnown } of askers) {
        if (looksAtKeys && !isKeyKnown()) connection.destroy(KEY_GONE)
        else connection.beat()
      }
    },
    async close() {
      isClosing = true
      for (const asker of askers) sayFarewell(asker)
      if (askers.size > 0) await nobodyLeft()
      const closed = servers.map((server) => new Promise((resolve) => server.close(resolve)))
      for (const { connection } of askers) connection.destroy('closed')
      for (const socket of sockets) socket.destroy()
      await Promise.all(closed)
    },
  }
}

function answerTo(call: ServedCall | undefined, kind: FrameKind, text: string): void {
  switch (kind) {
    case 'more':
      return call?.more(text)
    case 'last':
      return call?.last()
    case 'room':
      return call?.room(Number(text))
    case 'cancel':
      return call?.abort()
    default:
  }
}

const TAKEN = { side: 'served', outcome: 'taken' }
const REFUSED = { side: 'served', outcome: 'refused' }
const FOREIGN = { side: 'served', outcome: 'foreign' }
