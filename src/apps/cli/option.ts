/** Options that several commands share, and their values checked. */

import { existsSync } from 'node:fs'
import { InvalidArgumentError, Option } from 'commander'
import { LOG_LEVELS } from '../gateway/log-level.ts'

const DEFAULT_CONFIG = 'portolan.json'

export function configOption(): Option {
  return new Option('-c, --config <file>', `configuration: any client's mcpServers file (default: ${DEFAULT_CONFIG} where it exists, else the bundled reference server)`)
}

export function dataOption(): Option {
  return new Option('--data <folder>', 'where token, state and records are kept (default: $XDG_DATA_HOME/portolan or ~/.local/share/portolan)')
}

export function databaseOption(): Option {
  return new Option('--database-url <url>', 'PostgreSQL that keeps the state of all replicas: a URL, env:NAME or file:/path (default: $PORTOLAN_DATABASE_URL, else SQLite in the data folder)')
}

export function databaseDirectOption(): Option {
  return new Option('--database-direct-url <url>', 'the same PostgreSQL past a pooler, for LISTEN: a URL, env:NAME or file:/path (default: $PORTOLAN_DATABASE_DIRECT_URL, else --database-url)')
}

/** How replicas reach each other. */
export function replicaOptions(): readonly Option[] {
  return [
    new Option('--nats-url <url>', 'NATS that carries hints between replicas: a URL, env:NAME or file:/path (default: $PORTOLAN_NATS_URL, else LISTEN and NOTIFY)'),
    new Option('--nats-credentials <reference>', 'env:NAME or file:/path of the credentials for it, as in a .creds file, or the seed of an nkey (default: $PORTOLAN_NATS_CREDENTIALS)'),
    new Option('--peer-listen <address>', 'where other replicas reach this one: host:port or unix:/path (default: $PORTOLAN_PEER_LISTEN, else a free port of the address from which the database is reached)'),
    new Option('--peer-address <url>', 'what they are told, where it is another: tls://host:port (default: $PORTOLAN_PEER_ADDRESS, else where it listens)'),
  ]
}

export function stateKeyOption(): Option {
  return new Option('--state-key <reference>', 'env:NAME or file:/path of a secret that seals the keys kept in the database (default: $PORTOLAN_STATE_KEY, else they stand there as they are)')
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'what is logged on standard error').choices([...LOG_LEVELS]).default('info')
}

/** The file that a command is about: the one given, or the one that stands here. */
export function configPathOf(given: string | undefined): string | undefined {
  return given ?? (existsSync(DEFAULT_CONFIG) ? DEFAULT_CONFIG : undefined)
}

/** A TCP port, 0 for any free one. */
export function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new InvalidArgumentError('Give a number from 0 to 65535.')
  return port
}
