/**
 * The link between replicas over HTTP/1.1: a private listener (TCP, or a unix socket between workers of one host) and keep-alive
 * connections to peers. A call is a POST whose answer streams; back-pressure is the connection's own; a cancel closes it.
 * Everything is sealed and proved by the key ring, which all replicas share. A dead or stopped peer is noticed within 5 s.
 */
import type { Server } from 'node:http'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { ReplayGuard } from '../../core/auth/replay-guard.ts'
import type { Clock } from '../../core/clock.ts'
import type { PeerLink } from '../../core/gateway/peer-link.ts'
import type { Random } from '../../core/random.ts'
import { createPeerClient } from './peer-client.ts'
import { createPeerServer } from './peer-server.ts'

export interface PeerHttpOptions {
  /** New for each process: what was sent to a former one is good for no other. */
  readonly replicaId: string
  readonly keyring: Keyring
  readonly clock: Clock
  readonly random: Random
  readonly telemetry: Telemetry
  /** A process' own, in memory. */
  readonly replayGuard: ReplayGuard
  /** The address of a replica that lives, as in its row; undefined where there is none. */
  readonly resolve: (replicaId: string) => Promise<string | undefined>
  /** A request that was not a peer's, for the log. */
  readonly onForeign?: (reason: string) => void
  /** How often signs of life are exchanged, and looked for. */
  readonly beatMs?: number
  /** Calls that are answered at once; further ones are refused. */
  readonly maxCalls?: number
  readonly maxTextChars?: number
  /** How long a request may take to arrive. */
  readonly receiveMs?: number
}

export interface PeerHttpLink extends PeerLink {
  /** A server to listen with, once for each address. */
  open(): Server
  /** Peers that answered, and were not lost since. */
  known(): readonly string[]
  /** Ends what is asked and answered, and stops listening. */
  close(): Promise<void>
}

const BEAT_MS = 1_000
const RECEIVE_MS = 10_000
const MAX_CALLS = 4_096
/** The largest result that Portolan rewrites is 16 MiB; an exchange needs some more around it. */
const MAX_TEXT_CHARS = 20 * 1024 * 1024

export function createPeerHttpLink(options: PeerHttpOptions): PeerHttpLink {
  const { replicaId, clock, beatMs = BEAT_MS, maxCalls = MAX_CALLS, maxTextChars = MAX_TEXT_CHARS, receiveMs = RECEIVE_MS, onForeign = () => {} } = options
  const server = createPeerServer({ ...options, maxCalls, maxTextChars, receiveMs, onForeign })
  const client = createPeerClient({ ...options, beatMs, maxTextChars })
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
    async close() {
      stopBeats()
      await Promise.all([client.close(), server.close()])
    },
  }
}
