/** Where a replica can be reached: `tls://host:port`, or `unix:/path` for workers of one host. */

export type PeerTarget = { readonly host: string; readonly port: number } | { readonly path: string }

/** Undefined for whatever is no such address: it comes from the store. */
export function parsePeerAddress(address: string): PeerTarget | undefined {
  if (address.startsWith('unix:/')) return { path: address.slice('unix:'.length) }
  const [, host, digits] = /^tls:\/\/(\[[\da-fA-F:.]+\]|[^:/?#@[\]\s]+):(\d{1,5})$/.exec(address) ?? []
  const port = Number(digits)
  return host === undefined || !(port > 0 && port <= 65_535) ? undefined : { host: host.replace(/^\[|\]$/g, ''), port }
}
