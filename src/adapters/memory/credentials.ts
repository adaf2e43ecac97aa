/** The same credential for everybody, per upstream, as the configuration gives it. */
import type { Credentials } from '../../core/vault/credentials.ts'

type HeaderPairs = readonly (readonly [name: string, value: string])[]

const NONE: HeaderPairs = []

/** Upstream id -> header pairs. Upstreams that are not named get none. */
export function createStaticCredentials(byUpstream: ReadonlyMap<string, HeaderPairs> = new Map()): Credentials {
  return { headersFor: ({ upstreamId }) => byUpstream.get(upstreamId) ?? NONE }
}
