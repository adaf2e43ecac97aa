/** Where this replica is for the others: from where the database is reached they are reached, too. */

import { connect } from 'node:net'
import { ListenError } from '../../adapters/http/bind.ts'
import type { Address } from '../../adapters/http/bind.ts'
import { hostUrlsOf } from '../../adapters/postgres/hosts.ts'

const CONNECT_MS = 2_000
const LOOPBACK = '127.0.0.1'
const LOOPBACK_6 = '::1'

/** Loopback where the database runs on this machine, or there is none. */
export async function localAddressTowards(databaseUrl: string | undefined): Promise<string> {
  const found = await Promise.all((databaseUrl === undefined ? [] : (hostUrlsOf(databaseUrl) ?? [])).map(localTowards))
  // Of several hosts one may run on this machine, and the others do not.
  return found.find((address) => address !== LOOPBACK && address !== LOOPBACK_6) ?? found.find((address) => address === LOOPBACK_6) ?? LOOPBACK
}

function localTowards(url: string): Promise<string> {
  const { hostname, port: given, searchParams } = new URL(url)
  const host = searchParams.get('host') ?? hostname
  const port = searchParams.get('port') ?? given
  if (host === '' || host.startsWith('/')) return Promise.resolve(LOOPBACK)
  return new Promise((resolve) => {
    const socket = connect({ host: host.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 5_432 : port), timeout: CONNECT_MS })
    const end = (address: string): void => {
      socket.destroy()
      resolve(address)
    }
    socket.on('connect', () => end(socket.localAddress ?? LOOPBACK))
    socket.on('timeout', () => end(LOOPBACK)).on('error', () => end(LOOPBACK))
  })
}

/** Of what listens at `bound`, on a machine of which `here` is an address. Throws ListenError where others would be led to where nothing listens. */
export function peerAddressOf(bound: Address | undefined, here: string): string {
  if (bound?.kind === 'unix') return `unix:${bound.path}`
  if (bound === undefined) throw new TypeError('The peer listener has no address')
  const host = reachedHost(bound.host, here)
  return `tls://${host.includes(':') ? `[${host}]` : host}:${bound.port}`
}

function reachedHost(listening: string, here: string): string {
  if (listening === '::') return here
  if (listening !== '0.0.0.0') return listening
  if (!here.includes(':')) return here
  if (here === LOOPBACK_6) return LOOPBACK
  throw new ListenError('address_unavailable', `--peer-listen 0.0.0.0 is IPv4 alone, and this machine reaches the database from ${here}. Listen on [::], or say with --peer-address where others reach this replica.`, undefined)
}
