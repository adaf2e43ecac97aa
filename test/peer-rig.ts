/** Peer links of several replicas in one process, over real connections. */
import { createHash } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Address, ListenTarget } from '../src/adapters/http/bind.ts'
import { bind } from '../src/adapters/http/bind.ts'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import type { MemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createKeyring } from '../src/adapters/node/keyring.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { createPeerTlsLink } from '../src/adapters/peer-tls/peer-link.ts'
import type { PeerTlsLink, PeerTlsOptions } from '../src/adapters/peer-tls/peer-link.ts'

export const keyringOf = (name: string) => createKeyring([{ secret: createHash('sha256').update(name).digest(), active: true }])

export interface PeerReplica extends PeerTlsLink {
  readonly address: string
  readonly telemetry: MemoryTelemetry
  readonly foreign: string[]
}

let count = 0

/** A replica that listens; `addresses` is where all of them find each other. */
export async function openReplica(addresses: Map<string, string>, more: Partial<PeerTlsOptions> & { readonly overUnix?: boolean } = {}): Promise<PeerReplica> {
  const { overUnix = false, ...options } = more
  count += 1
  const random = createSystemRandom()
  const telemetry = createMemoryTelemetry()
  const foreign: string[] = []
  const clock = createSystemClock()
  const link = createPeerTlsLink({
    replicaId: `${count}-${random.id()}`,
    keyring: keyringOf('all replicas'),
    clock,
    telemetry,
    resolve: async (id) => addresses.get(id),
    onForeign: (reason) => foreign.push(reason),
    ...options,
  })
  const target: ListenTarget = overUnix ? { socketPath: join(tmpdir(), `peer-${random.id()}.sock`) } : { host: '127.0.0.1', port: 0 }
  const [bound] = (await bind(target, link.open)).addresses
  const address = addressText(bound)
  addresses.set(link.replicaId, address)
  return { ...link, address, telemetry, foreign }
}

function addressText(bound: Address | undefined): string {
  if (bound === undefined) throw new TypeError('not listening')
  return bound.kind === 'unix' ? `unix:${bound.path}` : `tls://${bound.host}:${bound.port}`
}
