/** Where this replica is for the others: from where the database is reached they are reached, too. */

import { connect } from 'node:net'
import { ListenError } from '../../adapters/http/bind.ts'
import type { Address } from '../../adapters/http/bind.ts'

const CONNECT_MS = 2_000
const LOOPBACK = '127.0.0.1'
const LOOPBACK_6 = '::1'

/** Loopback where the database runs on this machine, or there is none. */
export function localAddressTowards(databaseUrl: string | undefined): Promise<string> {
  if (databaseUrl === undefined) return Promise.resolve(LOOPBACK)
  const { hostname: host, port, searchParams } = new URL(databaseUrl)
  const named = searchParams.get('host') ?? host
  if (named === '' || named.startsWith('/')) return Promise.resolve(LOOPBACK)
  return new Promise((resolve) => {
    const socket = connect({ host: named.replace(/^\[|\]$/g, ''), port: Number(port === '' ? 5_432 : port), timeout: CONNECT_MS })
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
