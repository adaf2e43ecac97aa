/**
 * Asks peers. A connection is used once the replica at its other end has shown that it is the one that it should be, and until it
 * says that it is about to end: so what fails before is known not to have been delivered.
 */
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import { FORMATS } from '../../core/format.ts'
import type { PeerAnswer } from '../../core/gateway/peer-link.ts'
import { PortolanError } from '../../protocol/error.ts'
import { createAskedCall } from './asked-call.ts'
import type { AskedCall, Fate } from './asked-call.ts'
import { KEY_BEATS, KEY_GONE, createConnection } from './connection.ts'
import type { Connection } from './connection.ts'
import { MAX_STREAM } from './frame.ts'
import type { TakeFrame } from './frame.ts'
import { neverDelivered } from './loss.ts'
import { parsePeerAddress } from './peer-address.ts'
import type { PeerTarget } from './peer-address.ts'
import { connectSecurely } from './secure.ts'
import { SILENT } from './unreachable-peers.ts'
import type { UnreachablePeers } from './unreachable-peers.ts'

export interface PeerClientOptions {
  readonly replicaId: string
  readonly keyring: Keyring
  readonly telemetry: Telemetry
  /** The address of a replica that lives; undefined where none of this id does. */
  readonly resolve: (replicaId: string) => Promise<string | undefined>
  readonly maxTextChars: number
  readonly unreachable: UnreachablePeers
}

export interface PeerClient {
  send(replicaId: string, topic: string, text: string): Promise<PeerAnswer>
  /** Peers to which a connection stands. */
  known(): readonly string[]
  beat(): void
  close(): void
}

interface Line {
  readonly peerId: string
  readonly connection: Connection
  readonly calls: Map<number, AskedCall>
  readonly isKeyKnown: () => boolean
  isWelcome: boolean
  /** No further call: it closes when it has none. */
  isRetired: boolean
  lastStream: number
  ageBeats: number
  idleBeats: number
}

/** A peer that was silent for so many beats is lost: less than 5 s. */
const SILENT_BEATS = 4
const WELCOME_BEATS = 3
const IDLE_BEATS = 60
/** So most have moved to the key that seals before a former one leaves the ring. */
const MAX_AGE_BEATS = 3_600

export function createPeerClient({ replicaId, keyring, telemetry, resolve, maxTextChars, unreachable }: PeerClientOptions): PeerClient {
  /** Those that take calls, by peer. */
  const current = new Map<string, Line>()
  const dialing = new Map<string, Promise<Line>>()
  const lines = new Set<Line>()
  let isClosed = false
  for (const labels of Object.values(LABELS)) telemetry.count('portolan_peer_requests_total', labels, 0)
  const count = (fate: Fate): void => telemetry.count('portolan_peer_requests_total', LABELS[fate])

  async function dial(peerId: string): Promise<Line> {
    const address = await resolve(peerId)
    if (isClosed) throw neverDelivered('closed')
    if (address === undefined) {
      unreachable.gone(peerId)
      throw neverDelivered('no such replica')
    }
    return openAt(peerId, address)
  }

  async function openAt(peerId: string, address: string): Promise<Line> {
    try {
      const target = parsePeerAddress(address)
      if (target === undefined) throw neverDelivered('no address')
      const line = await open(peerId, target, address)
      unreachable.reached(peerId)
      return line
    } catch (error) {
      count('unreachable')
      unreachable.failed(peerId, address, detailOf(error))
      throw error
    }
  }

  function open(peerId: string, target: PeerTarget, address: string): Promise<Line> {
    return new Promise((welcome, refuse) => {
      const calls = new Map<number, AskedCall>()
      const take: TakeFrame = (kind, stream, text) => {
        if (stream !== 0) return calls.get(stream)?.take(kind, text)
        if (kind === 'closing') return retire(line)
        if (kind === 'refused') return connection.destroy(`refused: ${text}`)
        if (kind !== 'welcome' || line.isWelcome) return
        line.isWelcome = true
        current.set(peerId, line)
        welcome(line)
      }
      const onClosed = (detail: string): void => {
        lines.delete(line)
        retire(line)
        if (line.isWelcome && detail === SILENT) unreachable.failed(peerId, address, detail)
        refuse(neverDelivered(detail))
        for (const call of calls.values()) call.lost(detail)
      }
      const { socket, isKeyKnown } = connectSecurely(keyring, peerId, target)
      const connection = createConnection({ socket, silentBeats: SILENT_BEATS, take, onClosed })
      const line: Line = { peerId, connection, calls, isKeyKnown, isWelcome: false, isRetired: false, lastStream: 0, ageBeats: 0, idleBeats: 0 }
      lines.add(line)
      socket.once('secureConnect', () => connection.post('hello', 0, JSON.stringify({ v: FORMATS.peer.writes, from: replicaId })))
    })
  }

  function retire(line: Line): void {
    line.isRetired = true
    if (current.get(line.peerId) === line) current.delete(line.peerId)
    if (line.calls.size === 0) line.connection.destroy('retired')
  }

  function farewell(): PortolanError {
    count('unreachable')
    return neverDelivered('closed')
  }

  function dialOnce(peerId: string): Promise<Line> {
    const begun = dialing.get(peerId) ?? dial(peerId).finally(() => dialing.delete(peerId))
    dialing.set(peerId, begun)
    return begun
  }

  /** Who asks has some seconds: for one wait in vain, not for two. Whether it is there again is found out beside. */
  function lineTo(peerId: string): Promise<Line> {
    const dialed = dialOnce(peerId)
    if (!unreachable.isSilent(peerId)) return dialed
    dialed.catch(() => undefined)
    return Promise.reject(neverDelivered(SILENT))
  }

  function call(line: Line, topic: string, text: string): Promise<PeerAnswer> {
    const { connection, calls } = line
    // Its farewell came with its welcome: nobody would ever tell this call what became of it.
    if (!connection.isOpen()) throw farewell()
    const stream = (line.lastStream += 1)
    line.idleBeats = 0
    const onOver = (): void => {
      calls.delete(stream)
      if (line.isRetired && calls.size === 0) connection.destroy('retired')
    }
    const asked = createAskedCall({ connection, stream, topic, text, maxTextChars, onFate: count, onOver })
    calls.set(stream, asked)
    if (stream === MAX_STREAM) retire(line)
    return asked.answer
  }

  function beatOf(line: Line): void {
    line.ageBeats += 1
    if (!line.isWelcome) {
      if (line.ageBeats >= WELCOME_BEATS) line.connection.destroy(SILENT)
      return
    }
    if (line.ageBeats % KEY_BEATS === 0 && !line.isKeyKnown()) return line.connection.destroy(KEY_GONE)
    line.idleBeats = line.calls.size > 0 ? 0 : line.idleBeats + 1
    if (line.idleBeats > IDLE_BEATS || line.ageBeats > MAX_AGE_BEATS) retire(line)
    line.connection.beat()
  }

  return {
    async send(peerId, topic, text) {
      if (text.length > maxTextChars) throw new PortolanError('body_too_large')
      return call(current.get(peerId) ?? (await lineTo(peerId)), topic, text)
    },
    known: () => [...current.keys()],
    beat() {
      unreachable.beat()
      for (const line of lines) beatOf(line)
    },
    close() {
      isClosed = true
      for (const { connection } of lines) connection.destroy('closed')
    },
  }
}

function detailOf(error: unknown): string {
  const { cause } = error instanceof Error ? error : { cause: error }
  return cause instanceof Error ? cause.message : String(cause)
}

const LABELS: Readonly<Record<Fate, Readonly<Record<string, string>>>> = {
  taken: { side: 'asked', outcome: 'taken' },
  refused: { side: 'asked', outcome: 'refused' },
  unreachable: { side: 'asked', outcome: 'unreachable' },
  lost: { side: 'asked', outcome: 'lost' },
}
