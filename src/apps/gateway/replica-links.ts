/**
 * What ties this replica to the others, opened: its peer listener and the way to theirs, hints over PostgreSQL, NATS or the
 * supervisor of workers, and who it says it is. Loaded only where there are others.
 */

import { bind } from '../../adapters/http/bind.ts'
import { createNatsHints } from '../../adapters/nats/hints.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import { createPeerTlsLink } from '../../adapters/peer-tls/peer-link.ts'
import { createPostgresHints } from '../../adapters/postgres/hints.ts'
import { hintLineOver } from '../../adapters/worker/hint-line.ts'
import { createWorkerHints } from '../../adapters/worker/hints.ts'
import type { Telemetry } from '../../core/audit/telemetry.ts'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { WiredHints } from '../../core/event/hint-wire.ts'
import type { PeerLink } from '../../core/gateway/peer-link.ts'
import { LIFETIME_MS } from '../../core/replica/membership.ts'
import type { Replica, ReplicaStore } from '../../core/replica/replica-store.ts'
import type { Log } from './log.ts'
import { localAddressTowards, peerAddressOf } from './own-address.ts'
import type { ReplicaPlace } from './replica-place.ts'
import type { ReplicaStatus } from './status.ts'
import { readVersion } from './version.ts'

export interface ReplicaLinks {
  readonly self: Replica
  readonly peers: PeerLink
  readonly hints: WiredHints
  status(): Omit<ReplicaStatus, 'otherTokens'>
  close(): Promise<void>
}

export interface ReplicaLinksOptions {
  readonly replicaId: string
  readonly place: ReplicaPlace
  readonly replicas: ReplicaStore
  readonly keyring: Keyring
  readonly telemetry: Telemetry
  readonly log: Log
}

/** Rejects with ListenError; nothing is open then. */
export async function openReplicaLinks({ replicaId, place, replicas, keyring, telemetry, log }: ReplicaLinksOptions): Promise<ReplicaLinks> {
  const clock = createSystemClock()
  const random = createSystemRandom()
  const link = createPeerTlsLink({
    replicaId, keyring, clock, telemetry,
    resolve: async (id) => (await replicas.find(id))?.address,
    onForeign: (reason) => log.debug({ reason }, 'A request to the peer listener was refused'),
    onUnreachable: ({ id, address: at }, detail) =>
      log.warn({ peer: id, peerAddress: at, detail }, 'Another replica lives and cannot be reached: what it has is refused here. Let its --peer-listen be reached, or mend its --peer-address'),
    onReached: (id) => log.info({ peer: id }, 'The other replica is reached'),
  })
  const here = await localAddressTowards(place.directUrl)
  let address: string
  try {
    const { addresses: [bound] } = await bind(place.peerListen ?? { host: here, port: 0 }, link.open)
    address = place.peerAddress ?? peerAddressOf(bound, here)
  } catch (error) {
    await link.close()
    throw error
  }
  const hints = openHints()
  log.info({ replica: link.replicaId, peerAddress: address, hints: hints.state().wire }, 'One of several replicas')

  function openHints(): WiredHints {
    const onChange = (isUp: boolean, detail: string): void => {
      if (isUp) log.info({}, 'Hints reach the other replicas')
      else log.warn({ detail }, 'Hints do not reach the other replicas: what changes is noticed later')
    }
    const deps = { clock, random, telemetry, onChange }
    if (place.nats !== undefined) return createNatsHints({ ...deps, target: place.nats })
    if (place.directUrl !== undefined) return createPostgresHints({ ...deps, url: place.directUrl })
    return createWorkerHints({ ...deps, line: hintLineOver(process) })
  }

  const self = { id: link.replicaId, address, version: readVersion() }
  // The others find it, and the thread that writes runs, before it is given work: its first sessions need both at once.
  await replicas.announce(self, LIFETIME_MS).catch(() => undefined)
  return {
    self,
    peers: link,
    hints,
    status: () => ({ id: link.replicaId, address, peers: link.known(), unreachable: link.unreachable(), hints: hints.state() }),
    async close() {
      await Promise.all([link.close(), hints.close()])
    },
  }
}
