/**
 * The hosts of one database, of which one writes at a time, as libpq takes them: `postgres://a:5432,b/db`, or `?host=a,b&port=5432,5433`.
 * To the driver, which takes one host, each is a URL of its own.
 */

const SHAPE = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*)([^]*)$/

/** One URL for each host, in the order in which they are named. Undefined where the text is no such URL. */
export function hostUrlsOf(text: string): readonly string[] | undefined {
  const [, before = '', authority = '', after = ''] = SHAPE.exec(text) ?? []
  if (before === '') return undefined
  const hosts = authority.split(',')
  const urls = hosts.map((host) => `${before}${host}${after}`)
  if (!urls.every((url) => URL.canParse(url))) return undefined
  if (hosts.length === 1) return namedHosts(text)
  return hosts.includes('') ? undefined : urls
}

/** By parameters; one port is everybody's. */
function namedHosts(text: string): readonly string[] | undefined {
  const url = new URL(text)
  const hosts = (url.searchParams.get('host') ?? '').split(',')
  if (hosts.length === 1) return [text]
  const ports = (url.searchParams.get('port') ?? url.port).split(',')
  if (hosts.includes('') || (ports.length !== 1 && ports.length !== hosts.length)) return undefined
  return hosts.map((host, at) => {
    url.searchParams.set('host', host)
    url.searchParams.set('port', ports[at] ?? ports[0] ?? '')
    return url.href
  })
}

/** For people: where it is, without user and password. */
export function hostNameOf(url: string): string {
  const { hostname, port, searchParams } = new URL(url)
  const at = searchParams.get('port') ?? port
  return `${searchParams.get('host') ?? hostname}${at === '' ? '' : `:${at}`}`
}

/** `a:5432,b/db`. */
export function databaseNameOf(urls: readonly string[]): string {
  const [first = ''] = urls
  return `${urls.map(hostNameOf).join(',')}${new URL(first).pathname}`
}

export interface Hosts {
  readonly count: number
  /** The URL of the one that is tried first: whoever was found to write. */
  url(): string
  /** It does not answer, or only reads: the next one's turn, where nobody has said so before. */
  failed(url: string): void
}

export function createHosts(urls: readonly string[]): Hosts {
  let at = 0
  const url = (): string => urls[at] ?? ''
  return {
    count: urls.length,
    url,
    failed(tried) {
      if (tried === url()) at = (at + 1) % urls.length
    },
  }
}
