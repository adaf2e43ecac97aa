/** `server/discover` (S26 server/discover): what we answer. */
import type { ServerCapabilities } from '../capability.ts'
import type { Implementation } from '../implementation.ts'
import type { JsonObject } from '../json-value.ts'
import { META } from '../meta.ts'
import { SUPPORTED_MODERN } from '../revision.ts'

/** What the answer says. */
export interface DiscoverParts {
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation
  readonly instructions?: string
  /** How long the answer may be kept, in milliseconds. */
  readonly ttlMs: number
  /** `public` only where every principal gets the same. */
  readonly cacheScope: 'public' | 'private'
}

/** The `result` that we answer. */
export function writeDiscoverResult(parts: DiscoverParts): JsonObject {
  return {
    resultType: 'complete',
    supportedVersions: SUPPORTED_MODERN,
    capabilities: parts.capabilities,
    ...(parts.instructions === undefined ? {} : { instructions: parts.instructions }),
    ttlMs: parts.ttlMs,
    cacheScope: parts.cacheScope,
    _meta: { [META.serverInfo]: parts.serverInfo },
  }
}
