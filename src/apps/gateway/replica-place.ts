/**
 * How this replica and the others reach each other: where its peer listener is, what address others find in its row, and what
 * carries hints. Nothing of it has to be set: with a database that they share, replicas find each other.
 */

import type { ListenTarget } from '../../adapters/http/bind.ts'
import { parseNatsCredentials, parseNatsUrl } from '../../adapters/nats/nats-target.ts'
import type { NatsTarget } from '../../adapters/nats/nats-target.ts'
import { parsePeerAddress } from '../../adapters/peer-tls/peer-address.ts'
import type { Env } from './config-file.ts'
import type { ConfigError } from './config-problem.ts'
import { flagProblem, textOf } from './flag-text.ts'
import { refusePostgresUrl } from './state-place.ts'

/** As the command line has them; undefined: as the environment has them. */
export interface ReplicaFlags {
  readonly databaseDirectUrl?: string
  readonly natsUrl?: string
  readonly natsCredentials?: string
  readonly peerListen?: string
  readonly peerAddress?: string
}

export interface ReplicaPlace {
  /** For LISTEN; undefined for workers that share a data folder and no database. Holds a secret. */
  readonly directUrl: string | undefined
  readonly nats: NatsTarget | undefined
  /** Undefined: any free port of the address from which the database is reached. */
  readonly peerListen: ListenTarget | undefined
  /** As others are told; undefined: where it listens. */
  readonly peerAddress: string | undefined
}

/** Undefined for a process that shares its state with nobody. Throws ConfigError. */
export function replicaPlaceOf(flags: ReplicaFlags, databaseUrl: string, env: Env): ReplicaPlace | undefined {
  const directUrl = textOf('--database-direct-url', flags.databaseDirectUrl ?? env['PORTOLAN_DATABASE_DIRECT_URL'] ?? '', env)
  const natsUrl = textOf('--nats-url', flags.natsUrl ?? env['PORTOLAN_NATS_URL'] ?? '', env)
  const credentials = textOf('--nats-credentials', flags.natsCredentials ?? env['PORTOLAN_NATS_CREDENTIALS'] ?? '', env)
  const listen = flags.peerListen ?? env['PORTOLAN_PEER_LISTEN'] ?? ''
  const address = flags.peerAddress ?? env['PORTOLAN_PEER_ADDRESS'] ?? ''
  const given = { '--database-direct-url': directUrl, '--nats-url': natsUrl, '--nats-credentials': credentials, '--peer-listen': listen, '--peer-address': address }
  if (databaseUrl === '') {
    const [first] = Object.entries(given).find(([, text]) => text !== '') ?? []
    if (first !== undefined) throw flagProblem(first, 'it is for replicas that share a database, and there is none', 'Set --database-url too, or leave it out')
    return undefined
  }
  refusePostgresUrl('--database-direct-url', directUrl, 'Give it as --database-url, with the host and port of PostgreSQL itself')
  if (credentials !== '' && natsUrl === '') throw flagProblem('--nats-credentials', 'there is no --nats-url to use them for', 'Set --nats-url too, or leave it out')
  if (address !== '' && parsePeerAddress(address) === undefined) throw flagProblem('--peer-address', `${address} is no address of a peer listener`, 'Give it as tls://host:port')
  return {
    directUrl: directUrl === '' ? databaseUrl : directUrl,
    nats: natsUrl === '' ? undefined : natsOf(natsUrl, credentials),
    peerListen: listen === '' ? undefined : listenOf(listen),
    peerAddress: address === '' ? undefined : address,
  }
}

function natsOf(url: string, given: string): NatsTarget {
  const target = parseNatsUrl(url)
  if (target === undefined) throw flagProblem('--nats-url', 'it is no URL of a NATS', 'Give it as nats://user:password@host:4222, tls://… for TLS, several hosts divided by commas behind one login, or as env:NAME or file:/path with that in it')
  if (given === '') return target
  const credentials = parseNatsCredentials(given)
  if (credentials === undefined) throw flagProblem('--nats-credentials', 'it holds no credentials of a NATS', 'Give env:NAME or file:/path of a .creds file, or of the seed of an nkey (SU…)')
  return { ...target, credentials }
}

function listenOf(text: string): ListenTarget {
  if (text.startsWith('unix:/')) return { socketPath: text.slice('unix:'.length) }
  const [, host, digits] = /^(\[[\da-fA-F:.]+\]|[^:/\s]+):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (host === undefined || !(port <= 65_535)) throw listenProblem(text)
  return { host: host.replace(/^\[|\]$/g, ''), port }
}

function listenProblem(text: string): ConfigError {
  return flagProblem('--peer-listen', `${text} is no address to listen on`, 'Give it as host:port, 0.0.0.0:7401 for one, or as unix:/path between replicas of one machine')
}
