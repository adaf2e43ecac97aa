/** Which NATS, and as whom: read from one URL, `nats://user:password@host:4222,other:4222` or `tls://…`. */

export interface NatsTarget {
  /** `host:port`, without user or password. */
  readonly servers: readonly string[]
  readonly user?: string
  readonly password?: string
  readonly token?: string
  /** What stands in a `.creds` file, or the seed of an nkey. */
  readonly credentials?: string
  /** Present: TLS is required. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string }
}

const DEFAULT_PORT = '4222'

/** Several servers of a cluster stand behind each other, divided by commas. Undefined for what is no such URL; never says why, since it holds a secret. */
export function parseNatsUrl(url: string): NatsTarget | undefined {
  const [, scheme, authority = ''] = /^(nats|tls):\/\/([^/?#\s]+)\/?$/.exec(withOneScheme(url)) ?? []
  // A login before a further host would be taken for a part of the first one's password.
  if (scheme === undefined || /@[^@]*,[^@]*@/.test(authority)) return undefined
  const at = authority.lastIndexOf('@')
  const servers = authority.slice(at + 1).split(',').map(serverOf)
  const login = at === -1 ? {} : loginOf(authority.slice(0, at))
  if (login === undefined || !servers.every((server) => server !== undefined)) return undefined
  return { servers, ...login, ...(scheme === 'tls' ? { tls: {} } : {}) }
}

/** `nats://a,nats://b` is how NATS's own tools write it. */
function withOneScheme(url: string): string {
  return url.startsWith('tls:') ? url.replaceAll(',tls://', ',') : url.replaceAll(',nats://', ',')
}

/** Line ends as the parser of NATS wants them: it takes no file with CR LF. Undefined where it would find no login in it. */
export function parseNatsCredentials(given: string): string | undefined {
  const text = given.replaceAll(/\r\n?/g, '\n').trim()
  const seed = /^-{3,}BEGIN NATS USER JWT-{3,}\n.+\n\s*-{3,}END[^\n]*-{3,}\n[^]*^-{3,}BEGIN USER NKEY SEED-{3,}\n(.+)\n\s*-{3,}END[^\n]*-{3,}$/m.exec(text)?.[1] ?? text
  return isNkeySeed(seed) ? text : undefined
}

export function isNkeySeed(text: string): boolean {
  return /^SU[A-Z2-7]{56}$/.test(text.trim())
}

function serverOf(text: string): string | undefined {
  const url = URL.canParse(`http://${text}`) ? new URL(`http://${text}`) : undefined
  if (url === undefined || url.username !== '' || url.pathname !== '/') return undefined
  // 80 is what `http` leaves out.
  const port = url.port === '' ? (text.endsWith(':80') ? '80' : DEFAULT_PORT) : url.port
  return `${url.hostname}:${port}`
}

/** `user:password`, or a token alone. */
function loginOf(text: string): Pick<NatsTarget, 'user' | 'password' | 'token'> | undefined {
  const colon = text.indexOf(':')
  try {
    return colon === -1 ? { token: decodeURIComponent(text) } : { user: decodeURIComponent(text.slice(0, colon)), password: decodeURIComponent(text.slice(colon + 1)) }
  } catch {
    return undefined
  }
}
