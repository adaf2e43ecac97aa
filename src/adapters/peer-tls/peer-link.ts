/**
 * The link between replicas: a private listener (TCP, or a unix socket between workers of one host), and one connection to each peer that is
 * asked, TLS with the key ring that all replicas share. All conversations with a peer go over it side by side, each no faster than it
 * is read. A dead or stopped peer is noticed within 5 s.
 */
import type { Server } from 'node:net'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { Clock } from '../../core/clock.ts'
import type { PeerLink } from '../../core/gateway/peer-link.ts'
import { createPeerClient } from './peer-client.ts'
import { createPeerServer } from './peer-server.ts'
import { createUnreachablePeers } from './unreachable-peers.ts'
import type { UnreachablePeer, UnreachablePeersOptions } from './unreachable-peers.ts'

export interface PeerTlsOptions extends Partial<UnreachablePeersOptions> {
  /** New for each process: what was sent to a former one is good for no other. */
  readonly replicaId: string
  readonly keyring: Keyring
  readonly clock: Clock
  readonly telemetry: Telemetry
  /** The address of a replica that lives, as in its row; undefined where there is none. */
  readonly resolve: (replicaId: string) => Promise<string | undefined>
  /** Somebody that does not hold the key ring, for the log. */
  readonly onForeign?: (reason: string) => void
  /** How often signs of life are exchanged, and looked for. */
  readonly beatMs?: number
  /** Calls that are answered at once; further ones are refused. */
  readonly maxCalls?: number
  readonly maxTextChars?: number
  /** How long somebody may take to show that it holds the key ring. */
  readonly handshakeMs?: number
}

export interface PeerTlsLink extends PeerLink {
  /** A server to listen with, once for each address. */
  open(): Server
  /** Peers to which a connection stands. */
  known(): readonly string[]
  /** Peers that live and have not been reached for longer than a crash takes to be noticed. */
  unreachable(): readonly UnreachablePeer[]
  /** Ends what is asked and answered, and stops listening. */
  close(): Promise<void>
}

const BEAT_MS = 1_000
const HANDSHAKE_MS = 10_000
const MAX_CALLS = 4_096
/** The largest result that Portolan rewrites is 16 MiB; an exchange needs some more around it. */
const MAX_TEXT_CHARS = 20 * 1024 * 1024

export function createPeerTlsLink(options: PeerTlsOptions): PeerTlsLink {
  const { replicaId, clock, beatMs = BEAT_MS, maxCalls = MAX_CALLS, maxTextChars = MAX_TEXT_CHARS, handshakeMs = HANDSHAKE_MS, onForeign = () => {}, onUnreachable = () => {}, onReached = () => {} } = options
  const server = createPeerServer({ ...options, maxCalls, maxTextChars, handshakeMs, onForeign })
  const unreachable = createUnreachablePeers({ onUnreachable, onReached })
  const client = createPeerClient({ ...options, maxTextChars, unreachable })
  let stopBeats = clock.after(beatMs, beat)

  function beat(): void {
    stopBeats = clock.after(beatMs, beat)
    client.beat()
    server.beat()
  }

  return {
    replicaId,
    send: client.send,
    serve(topic, service) {
      server.services.set(topic, service)
      return () => {
        if (server.services.get(topic) === service) server.services.delete(topic)
      }
    },
    open: server.open,
    known: client.known,
    unreachable: unreachable.list,
    async close() {
      stopBeats()
      client.close()
      await server.close()
    },
  }
}
