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
/** Two names need two, unless somebody searched for names whose digests keep meeting. */
const MAX_ROUNDS = 16

/** Names for all items at once: a collision is resolved by the items' own names, never by who came first. */
export function exposeNames(items: readonly NamedItem[], separator: string): Naming {
  const identities = items.map(({ server, name }) => `${server}\u0000${name}`)
  const plain = items.map(({ server, name }) => `${server}${separator}${name}`)
  const fitted = plain.map(fit)
  const exposed = tellApart(identities, plain.map((joined, index) => fitting(joined, identities[index] ?? '')), (index, digest) => shortened(fitted[index] ?? '', digest))
  const reports = items.flatMap(({ server, name }, index) => {
    const exposedAs = exposed[index] ?? ''
    return exposedAs === plain[index] ? [] : [{ server, name, exposedAs, why: whyNot(fitted[index] ?? '', plain[index] ?? '') }]
  })
  return { exposed, reports }
}

/** An item whose `name` is what it would like to be called, which need not be its own. */
export interface WishedItem extends NamedItem {
  /** Its own name at its server. */
  readonly key: string
}

/** Names that stay as they are, except where several items would have the same: each of those is joined to its server. */
export function exposeWishes(items: readonly WishedItem[], separator: string): Naming {
  const identities = items.map(({ server, key }) => `${server}\u0000${key}`)
  const owners = new Map<string, string>()
  const wanted = new Set<string>()
  for (const [index, { name }] of items.entries()) {
    const identity = identities[index] ?? ''
    if ((owners.get(name) ?? identity) !== identity) wanted.add(name)
    owners.set(name, identity)
  }
  const joined = items.map(({ server, name }) => `${server}${separator}${name}`)
  const first = items.map(({ name }, index) => (wanted.has(name) ? fitting(joined[index] ?? '', identities[index] ?? '') : name))
  const exposed = tellApart(identities, first, (index, digest) => shortened(fit(joined[index] ?? ''), digest))
  const reports = items.flatMap(({ server, name }, index) => {
    const exposedAs = exposed[index] ?? ''
    return exposedAs === name ? [] : [{ server, name, exposedAs, why: 'collision' as const }]
  })
  return { exposed, reports }
}

function fit(joined: string): string {
  return joined.replace(/[^A-Za-z0-9_-]/g, '_')
}

function fitting(joined: string, identity: string): string {
  const fitted = fit(joined)
  return joined === fitted && joined.length <= MAX_LENGTH ? joined : shortened(fitted, nameDigest(identity))
}

function shortened(fitted: string, digest: string): string {
  return `${fitted.slice(0, MAX_LENGTH - DIGEST_LENGTH - 1)}_${digest}`
}

function whyNot(fitted: string, plain: string): NameReport['why'] {
  if (fitted !== plain) return 'characters'
  return plain.length > MAX_LENGTH ? 'length' : 'collision'
}

/**
 * `names` with a digest for each of those that stand for more than one identity, again until none does: a server must
 * not be able to list a tool under the name that another one gets by its digest.
 */
export function tellApart(
  identities: readonly string[],
  names: readonly string[],
  digested: (index: number, digest: string) => string,
): readonly string[] {
  let told = names
  // In front: behind it, two texts of one digest would keep having one.
  for (let salt = ''; salt.length < MAX_ROUNDS; salt += '\u0000') {
    const owners = new Map<string, string>()
    const shared = new Set<string>()
    for (const [index, name] of told.entries()) {
      const identity = identities[index] ?? ''
      if ((owners.get(name) ?? identity) !== identity) shared.add(name)
      owners.set(name, identity)
    }
    if (shared.size === 0) return told
    told = told.map((name, index) => (shared.has(name) ? digested(index, nameDigest(`${salt}${identities[index] ?? ''}`)) : name))
  }
  return told
}

/** 32 bits of FNV-1a over UTF-16 units, in hex: to tell names apart, not to protect anything. */
export function nameDigest(text: string): string {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0
  return hash.toString(16).padStart(DIGEST_LENGTH, '0')
}
