/**
 * Asks peers. A peer is asked for a sign of life before its first call, and again after each loss, so that a call goes only to
 * whom answered as the replica that it should be: then what fails before is known not to have been delivered.
 */
import { Pool } from 'undici'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { Clock } from '../../core/clock.ts'
import type { PeerAnswer } from '../../core/gateway/peer-link.ts'
import { createTextQueue } from '../../core/gateway/text-queue.ts'
import type { Random } from '../../core/random.ts'
import { PortolanError } from '../../protocol/error.ts'
import { parsePeerAddress } from './peer-address.ts'
import { PeerRequest } from './peer-request.ts'
import type { PeerRequestHandler } from './peer-request.ts'
import { sealProof, sealText, sealedBytesOf } from './proof.ts'
import type { PeerPath, Proof } from './proof.ts'

export interface PeerClientOptions {
  readonly replicaId: string
  readonly keyring: Keyring
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  /** The address of a replica that lives; undefined where none of this id does. */
  readonly resolve: (replicaId: string) => Promise<string | undefined>
  readonly beatMs: number
  readonly maxTextChars: number
}

export interface PeerClient {
  send(replicaId: string, topic: string, text: string): Promise<PeerAnswer>
  /** Peers that answered as themselves, and were not lost since. */
  known(): readonly string[]
  beat(): void
  close(): Promise<void>
}

interface Peer {
  readonly id: string
  readonly address: string
  readonly pool: Pool
  readonly requests: Set<PeerRequest>
  isTrusted: boolean
  /** The question for a sign of life that is under way. */
  probing: Promise<void> | undefined
  idleBeats: number
}

const CONNECT_TIMEOUT_MS = 1_000
/** A peer that was silent for so many beats is lost: less than 5 s, with the connect timeout. */
const SILENT_BEATS = 4
const PROBE_SILENT_BEATS = 2
/** So often the owner hears that we are still here while it answers us. */
const ALIVE_EVERY_BEATS = 3
const IDLE_BEATS = 60
const ROOM_CHARS = 65_536

export function createPeerClient(options: PeerClientOptions): PeerClient {
  const { replicaId, keyring, clock, random, telemetry, maxTextChars } = options
  const peers = new Map<string, Peer>()
  for (const labels of [TAKEN, REFUSED, UNREACHABLE, LOST]) telemetry.count('peer_requests_total', labels, 0)
  let beats = 0
  let isClosed = false

  function post(peer: Peer, path: PeerPath, about: Partial<Proof>, text: string | undefined, handler: PeerRequestHandler, silentBeats = SILENT_BEATS): PeerRequest {
    const proof = { from: replicaId, to: peer.id, atMs: clock.nowMs(), nonce: random.id(), topic: '', call: '', isLast: false, ...about }
    const { nonce } = proof
    const request: PeerRequest = new PeerRequest({
      keyring, nonce, peerId: peer.id, maxLineBytes: sealedBytesOf(maxTextChars), silentBeats,
      handler: { onFrame: handler.onFrame, onLost: (sent, detail) => lost(peer, handler, sent, detail) },
      onClosed: () => peer.requests.delete(request),
    })
    peer.requests.add(request)
    peer.idleBeats = 0
    const headers = { 'content-type': 'text/plain', 'portolan-proof': sealProof(keyring, path, proof) }
    peer.pool.dispatch({ path, method: 'POST', headers, body: text === undefined ? null : sealText(keyring, nonce, text) }, request)
    return request
  }

  function lost(peer: Peer, handler: PeerRequestHandler, sent: boolean, detail: string): void {
    peer.isTrusted = false
    telemetry.count('peer_requests_total', sent ? LOST : UNREACHABLE)
    handler.onLost(sent, detail)
  }

  async function reach(id: string): Promise<Peer> {
    const known = peers.get(id)
    if (known?.isTrusted === true) return known
    const address = await options.resolve(id)
    if (isClosed) throw neverDelivered('closed')
    if (address === undefined) throw neverDelivered('no such replica')
    const peer = peerAt(id, address)
    await (peer.probing ??= probe(peer).finally(() => (peer.probing = undefined)))
    return peer
  }

  function peerAt(id: string, address: string): Peer {
    const known = peers.get(id)
    if (known?.address === address) return known
    if (known !== undefined) forget(known)
    const target = parsePeerAddress(address)
    if (target === undefined) throw neverDelivered('no address')
    const connect = { timeout: CONNECT_TIMEOUT_MS, ...(target.socketPath === undefined ? {} : { socketPath: target.socketPath }) }
    const pool = new Pool(target.origin, { connect, connections: null, pipelining: 1, headersTimeout: 0, bodyTimeout: 0, keepAliveTimeout: 20_000, allowH2: false })
    const peer: Peer = { id, address, pool, requests: new Set(), isTrusted: false, probing: undefined, idleBeats: 0 }
    peers.set(id, peer)
    return peer
  }

  function probe(peer: Peer): Promise<void> {
    return new Promise((resolve, reject) => {
      const onLost = (_sent: boolean, detail: string): void => reject(neverDelivered(detail))
      const onFrame: PeerRequestHandler['onFrame'] = (frame) => {
        if (frame.kind !== 'end') return reject(neverDelivered(frame.kind))
        peer.isTrusted = true
        resolve()
      }
      post(peer, '/peer/1/alive', {}, undefined, { onFrame, onLost }, PROBE_SILENT_BEATS)
    })
  }

  function call(peer: Peer, topic: string, text: string): Promise<PeerAnswer> {
    return new Promise((resolve, reject) => {
      const nonce = random.id()
      const queue = createTextQueue(ROOM_CHARS, () => request.abort())
      const cancel = (): void => {
        queue.close()
        request.abort()
      }
      const fail = (error: PortolanError): void => {
        reject(error)
        queue.end(error)
      }
      const request: PeerRequest = post(peer, '/peer/1/call', { nonce, topic }, text, {
        onFrame(frame) {
          switch (frame.kind) {
            case 'taken':
              telemetry.count('peer_requests_total', TAKEN)
              return resolve({ messages: queue, ...writerOf(peer, nonce), cancel })
            case 'message':
              return take(frame.text)
            case 'end':
              return queue.end()
            case 'failed':
              return fail(frame.error)
            case 'refused':
              // It may be about to end: whether it is still there, its row says.
              peer.isTrusted = false
              telemetry.count('peer_requests_total', REFUSED)
              return fail(neverDelivered(frame.reason))
          }
        },
        onLost: (sent, detail) => fail(sent ? outcomeUnknown(detail) : neverDelivered(detail)),
      })
      const take = (message: string): void => {
        const room = queue.push(message)
        if (!queue.isFull()) return
        request.pause()
        void room.then(() => request.resume())
      }
    })
  }

  /** Each further text is a request of its own, answered when the owner has room for another: so they stay in order. */
  function writerOf(peer: Peer, callNonce: string): Pick<PeerAnswer, 'write' | 'end'> {
    let before: Promise<void> = Promise.resolve()
    const writeNow = (text: string | undefined): Promise<void> =>
      new Promise((resolve, reject) => {
        post(peer, '/peer/1/more', { call: callNonce, isLast: text === undefined }, text, {
          onFrame: (frame) => (frame.kind === 'end' ? resolve() : reject(neverDelivered('the answer has ended'))),
          onLost: (sent, detail) => reject(sent ? outcomeUnknown(detail) : neverDelivered(detail)),
        })
      })
    return {
      async write(text) {
        if (text.length > maxTextChars) throw new PortolanError('body_too_large')
        const written = before.then(() => writeNow(text))
        before = written.catch(() => undefined)
        await written
      },
      end: () => void before.then(() => writeNow(undefined)).catch(() => undefined),
    }
  }

  function forget(peer: Peer): void {
    if (peers.get(peer.id) === peer) peers.delete(peer.id)
    void peer.pool.destroy().catch(() => undefined)
  }

  return {
    async send(id, topic, text) {
      if (text.length > maxTextChars) throw new PortolanError('body_too_large')
      return call(await reach(id), topic, text)
    },
    known: () => [...peers.values()].filter(({ isTrusted }) => isTrusted).map(({ id }) => id),
    beat() {
      beats += 1
      for (const peer of peers.values()) {
        for (const request of peer.requests) request.beat()
        if (peer.requests.size > 0 && beats % ALIVE_EVERY_BEATS === 0) post(peer, '/peer/1/alive', {}, undefined, SAYS_NOTHING)
        peer.idleBeats += 1
        if (peer.requests.size === 0 && peer.idleBeats > IDLE_BEATS) forget(peer)
      }
    },
    async close() {
      isClosed = true
      const all = [...peers.values()]
      peers.clear()
      await Promise.all(all.map(({ pool }) => pool.destroy().catch(() => undefined)))
    },
  }
}

/** That we are here: whether the peer is, its answers say. */
const SAYS_NOTHING: PeerRequestHandler = { onFrame: () => {}, onLost: () => {} }

const TAKEN = { side: 'asked', outcome: 'taken' }
const REFUSED = { side: 'asked', outcome: 'refused' }
const UNREACHABLE = { side: 'asked', outcome: 'unreachable' }
const LOST = { side: 'asked', outcome: 'lost' }

function neverDelivered(detail: string): PortolanError {
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this is not reachable', cause: new Error(detail) })
}

function outcomeUnknown(detail: string): PortolanError {
  return new PortolanError('outcome_unknown', { message: 'The replica that owns this was lost', cause: new Error(detail) })
}
