/** `server/discover` (S26 server/discover): its result, read and written. */
import type { ServerCapabilities } from '../capability.ts'
import { isImplementation } from '../implementation.ts'
import type { Implementation } from '../implementation.ts'
import { isJsonObject } from '../json-value.ts'
import type { JsonObject, JsonValue } from '../json-value.ts'
import { META } from '../meta.ts'
import { SUPPORTED_MODERN } from '../revision.ts'
import { fail, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** An upstream's answer. */
export interface DiscoverResult {
  /** As the server lists them; ones that we do not know included. */
  readonly supportedVersions: readonly string[]
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation | undefined
  readonly instructions: string | undefined
}

/** Why it is no answer to `server/discover`. */
export interface DiscoverFault {
  readonly reason: 'wrong_type'
  readonly key: string | undefined
  readonly expected: string
}

/** Reads an upstream's answer. A fault means that it is no modern server: fall back to `initialize`. */
export function readDiscoverResult(result: JsonValue | undefined): Result<DiscoverResult, DiscoverFault> {
  if (!isJsonObject(result)) return fail({ reason: 'wrong_type', key: undefined, expected: 'an object' })
  const { supportedVersions, capabilities, instructions, _meta: meta } = result
  if (!Array.isArray(supportedVersions)) {
    return fail({ reason: 'wrong_type', key: 'supportedVersions', expected: 'an array of strings' })
  }
  if (!isJsonObject(capabilities)) return fail({ reason: 'wrong_type', key: 'capabilities', expected: 'an object' })
  const serverInfo = isJsonObject(meta) ? meta[META.serverInfo] : undefined
  return ok({
    supportedVersions: supportedVersions.filter((version) => typeof version === 'string'),
    capabilities,
    serverInfo: isImplementation(serverInfo) ? serverInfo : undefined,
    instructions: typeof instructions === 'string' ? instructions : undefined,
  })
}

/** What we answer. */
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
