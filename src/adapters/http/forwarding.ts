/**
 * Who is really at the other end, where trusted proxies stand between. Only a declared proxy is believed, and only the
 * one family of headers that was chosen: a proxy passes the other family through as the client wrote it.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

export interface Peer {
  /** IP address; '' on a unix socket without a proxy's word. */
  readonly address: string
  /** What the client asked for, as `Host` or as the proxy reports it; undefined where absent. */
  readonly host: string | undefined
  readonly scheme: 'http' | 'https'
}

export interface Forwarding {
  peerOf(incoming: IncomingMessage): Peer
}

export interface ForwardingOptions {
  /** Addresses or CIDR blocks, or `unix` for whoever connects to the unix socket. Default: none. */
  readonly trustedProxies?: readonly string[]
  /** Which headers the proxies set. Default `x-forwarded`. */
  readonly forwardedHeaders?: 'x-forwarded' | 'forwarded'
}

/** Throws TypeError for what is no address or CIDR block. */
export function createForwarding(options: ForwardingOptions, tls: boolean): Forwarding {
  const trusted = new BlockList()
  const entries = options.trustedProxies ?? []
  for (const entry of entries) if (entry !== 'unix') addBlock(trusted, entry)
  const trustsUnix = entries.includes('unix')
  const scheme = tls ? 'https' : 'http'
  const read = options.forwardedHeaders === 'forwarded' ? readForwarded : readXForwarded

  function isTrusted(address: string): boolean {
    if (address === '') return trustsUnix
    const family = isIP(address)
    return family !== 0 && trusted.check(address, family === 4 ? 'ipv4' : 'ipv6')
  }

  return {
    peerOf(incoming) {
      const direct = plainAddress(incoming.socket.remoteAddress ?? '')
      const seen = { address: direct, host: incoming.headers.host, scheme } as const
      if (entries.length === 0 || !isTrusted(direct)) return seen
      const hops = read(incoming)
      // From the nearest hop outwards: the first one that no trusted proxy added is the client.
      let address = direct
      for (let at = hops.addresses.length - 1; at >= 0 && isTrusted(address); at--) {
        const claimed = plainAddress(hops.addresses[at] ?? '')
        if (isIP(claimed) === 0) break
        address = claimed
      }
      return { address, host: hops.host ?? seen.host, scheme: hops.scheme ?? scheme }
    },
  }
}

interface Hops {
  /** As the proxies appended them: the client first. */
  readonly addresses: readonly string[]
  readonly host: string | undefined
  readonly scheme: 'http' | 'https' | undefined
}

function readXForwarded(incoming: IncomingMessage): Hops {
  const { headers } = incoming
  return {
    addresses: listOf(headers['x-forwarded-for']).map(bareAddress),
    host: listOf(headers['x-forwarded-host']).at(-1),
    scheme: schemeOf(listOf(headers['x-forwarded-proto']).at(-1)),
  }
}

/** RFC 7239. The last element is the nearest proxy's. */
function readForwarded(incoming: IncomingMessage): Hops {
  const elements = listOf(incoming.headers['forwarded']).map((element) => {
    const pairs = new Map<string, string>()
    for (const pair of element.split(';')) {
      const [name = '', ...rest] = pair.split('=')
      pairs.set(name.trim().toLowerCase(), rest.join('=').trim().replace(/^"(.*)"$/, '$1'))
    }
    return pairs
  })
  const nearest = elements.at(-1)
  return {
    addresses: elements.map((pairs) => bareAddress(pairs.get('for') ?? '')),
    host: nearest?.get('host'),
    scheme: schemeOf(nearest?.get('proto')),
  }
}

function listOf(value: string | string[] | undefined): string[] {
  if (value === undefined) return []
  return (typeof value === 'string' ? value : value.join(',')).split(',').map((item) => item.trim()).filter((item) => item !== '')
}

function schemeOf(value: string | undefined): 'http' | 'https' | undefined {
  const lower = value?.toLowerCase()
  return lower === 'http' || lower === 'https' ? lower : undefined
}

/** Without port and brackets: `[::1]:80`, `1.2.3.4:80`, `::1`. */
function bareAddress(value: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(value)
  if (bracketed !== null) return bracketed[1] ?? ''
  const withPort = /^([\d.]+):\d+$/.exec(value)
  return withPort === null ? value : (withPort[1] ?? '')
}

/** IPv4 as IPv4 where a dual-stack socket reports it mapped. */
function plainAddress(address: string): string {
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(address) ? address.slice(7) : address
}

function addBlock(list: BlockList, entry: string): void {
  const [address = '', bits] = entry.split('/')
  const family = isIP(address)
  const most = family === 4 ? 32 : 128
  const prefix = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
  if (family === 0 || !(prefix <= most)) {
    throw new TypeError(`trustedProxies: "${entry}" is neither an IP address, nor a CIDR block such as 10.0.0.0/8, nor "unix"`)
  }
  list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6')
}
