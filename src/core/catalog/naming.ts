/**
 * Names on `/mcp`: `server__tool`, within the 64 characters of `[A-Za-z0-9_-]` that model APIs accept. What does not fit
 * gets a digest instead of its tail, so that the same configuration gives the same names on every replica and restart.
 */

export interface NamedItem {
  readonly server: string
  readonly name: string
}

export interface NameReport {
  readonly server: string
  readonly name: string
  readonly exposedAs: string
  readonly why: 'characters' | 'length' | 'collision'
}

export interface Naming {
  /** Exposed names in the order of the items. */
  readonly exposed: readonly string[]
  /** Those that could not simply be joined. */
  readonly reports: readonly NameReport[]
}

const MAX_LENGTH = 64
const DIGEST_LENGTH = 8

/** Names for all items at once: a collision is resolved by the items' own names, never by who came first. */
export function exposeNames(items: readonly NamedItem[], separator: string): Naming {
  const plain = items.map(({ server, name }) => `${server}${separator}${name}`)
  const fitted = plain.map((joined) => joined.replace(/[^A-Za-z0-9_-]/g, '_'))
  const uses = new Map<string, number>()
  for (const name of fitted) uses.set(name, (uses.get(name) ?? 0) + 1)
  const reports: NameReport[] = []
  const exposed = items.map(({ server, name }, index) => {
    const joined = fitted[index] ?? ''
    const why = whyNot(joined, plain[index] ?? '', uses)
    if (why === undefined) return joined
    const digest = nameDigest(`${server}\u0000${name}`)
    const exposedAs = `${joined.slice(0, MAX_LENGTH - DIGEST_LENGTH - 1)}_${digest}`
    reports.push({ server, name, exposedAs, why })
    return exposedAs
  })
  return { exposed, reports }
}

function whyNot(joined: string, plain: string, uses: ReadonlyMap<string, number>): NameReport['why'] | undefined {
  if (joined !== plain) return 'characters'
  if (joined.length > MAX_LENGTH) return 'length'
  return (uses.get(joined) ?? 0) > 1 ? 'collision' : undefined
}

/** 32 bits of FNV-1a over UTF-16 units, in hex: to tell names apart, not to protect anything. */
export function nameDigest(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash.toString(16).padStart(DIGEST_LENGTH, '0')
}
