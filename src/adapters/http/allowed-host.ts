/** DNS rebinding: a page whose name resolves to this machine sends its own name in `Host`. Only known names pass. */

/** The names that mean this machine, with any port. */
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'] as const

export interface HostCheck {
  /** `authority` as in `Host`: name or address, IPv6 in brackets, optional port. */
  allows(authority: string | undefined): boolean
}

export interface HostCheckOptions {
  /** `name` with any port, or `name:port`. Default: the loopback names and `boundHost`. */
  readonly allowedHosts?: readonly string[]
  /** Its host is always allowed. */
  readonly publicUrl?: string
  /** The address listened on; '' for a unix socket. */
  readonly boundHost: string
}

const MOST_REMEMBERED = 256

/** Throws TypeError for a publicUrl that is no URL and for entries that are no host. */
export function createHostCheck(options: HostCheckOptions): HostCheck {
  const allowed = new Set<string>()
  const entries = options.allowedHosts ?? [...LOOPBACK_NAMES, ...ownName(options.boundHost)]
  for (const entry of entries) {
    const parts = splitAuthority(entry)
    if (parts === undefined) throw new TypeError(`allowedHosts: "${entry}" is not a host; write "name" or "name:port"`)
    allowed.add(joined(parts))
  }
  // With any port: a proxy in between may show another one, and an attacker's name is not ours on any.
  if (options.publicUrl !== undefined) allowed.add(publicUrlOf(options.publicUrl).hostname)
  const remembered = new Map<string, boolean>()

  function judge(authority: string): boolean {
    const parts = splitAuthority(authority)
    return parts !== undefined && (allowed.has(parts.name) || allowed.has(joined(parts)))
  }

  return {
    allows(authority) {
      if (authority === undefined) return false
      const known = remembered.get(authority)
      if (known !== undefined) return known
      const verdict = judge(authority)
      if (remembered.size < MOST_REMEMBERED) remembered.set(authority, verdict)
      return verdict
    },
  }
}

/** The configured public address. Throws TypeError where it is no http(s) URL. */
export function publicUrlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw new TypeError(`publicUrl: "${text}" is not an http(s) URL`)
  return url
}

/** Whether the address can be reached from this machine only. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}

interface AuthorityParts {
  readonly name: string
  readonly port: string
}

function joined({ name, port }: AuthorityParts): string {
  return port === '' ? name : `${name}:${port}`
}

function splitAuthority(authority: string): AuthorityParts | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::(\d{1,5}))?$/i.exec(authority)
  if (match === null) return undefined
  return { name: (match[1] ?? '').toLowerCase().replace(/\.$/, ''), port: match[2] ?? '' }
}

function ownName(boundHost: string): string[] {
  if (boundHost === '' || boundHost === '0.0.0.0' || boundHost === '::') return []
  return [boundHost.includes(':') ? `[${boundHost}]` : boundHost]
}
