/**
 * URIs on `/mcp` (decision 0003): the server's slug before the scheme, `files+file:///a`, which is a URI (RFC 3986 §3.1)
 * and stays an RFC 6570 template. `ui://` and `skill://` keep their scheme, because apps and skills are recognised by it, and
 * get a segment before their path: `ui://<slug>/…`, `skill://<slug>/…`, so that relative references and names stay (decision 0010).
 */

import { tellApart } from './naming.ts'

const KEPT_SCHEMES = ['ui://', 'skill://'] as const

const keptScheme = (uri: string): string | undefined => KEPT_SCHEMES.find((scheme) => uri.startsWith(scheme))

/** One slug per server name, unique and stable for the same set of names. */
export function slugsOf(names: readonly string[]): ReadonlyMap<string, string> {
  const plain = names.map(plainSlug)
  const slugs = tellApart(names, plain, (index, digest) => `${plain[index] ?? ''}-${digest}`)
  return new Map(names.map((name, index) => [name, slugs[index] ?? '']))
}

export function markUri(slug: string, uri: string): string {
  const kept = keptScheme(uri)
  return kept === undefined ? `${slug}+${uri}` : `${kept}${slug}/${uri.slice(kept.length)}`
}

/** The slug and the server's own URI; undefined for a URI without a mark. */
export function unmarkUri(marked: string): { readonly slug: string; readonly uri: string } | undefined {
  const kept = keptScheme(marked)
  if (kept !== undefined) {
    const slash = marked.indexOf('/', kept.length)
    if (slash < 0) return undefined
    return { slug: marked.slice(kept.length, slash), uri: `${kept}${marked.slice(slash + 1)}` }
  }
  const plus = marked.indexOf('+')
  if (plus <= 0) return undefined
  const slug = marked.slice(0, plus)
  return /^[a-z][a-z0-9.-]*$/.test(slug) ? { slug, uri: marked.slice(plus + 1) } : undefined
}

function plainSlug(name: string): string {
  const slug = name.toLowerCase().replace(/[^a-z0-9.-]/g, '-')
  return /^[a-z]/.test(slug) ? slug : `s${slug}`
}
