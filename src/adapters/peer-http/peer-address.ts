/** Where a replica can be reached: `http://host:port`, or `unix:/path` for workers of one host. */

export interface PeerTarget {
  readonly origin: string
  readonly socketPath: string | undefined
}

/** Undefined for whatever is no such address: it comes from the store. */
export function parsePeerAddress(address: string): PeerTarget | undefined {
  if (address.startsWith('unix:/')) return { origin: 'http://peer', socketPath: address.slice('unix:'.length) }
  const url = URL.canParse(address) ? new URL(address) : undefined
  return url?.protocol === 'http:' && url.pathname === '/' && url.username === '' ? { origin: url.origin, socketPath: undefined } : undefined
}
