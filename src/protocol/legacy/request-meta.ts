/** What a legacy request may carry in `_meta`: a progress token; the session knows the rest (S25 basic, `_meta`). */
import { isJsonObject } from '../json-value.ts'
import type { JsonValue } from '../json-value.ts'
import { isProgressToken, META } from '../meta.ts'
import type { ProgressToken } from '../meta.ts'
import { fail, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** What a legacy request says of itself. */
export interface RequestMeta {
  readonly progressToken: ProgressToken | undefined
}

/** A malformed request: `invalid_meta`. */
export interface MetaFault {
  readonly reason: 'wrong_type'
  /** The key within `_meta`; undefined: `_meta` itself. */
  readonly key: string | undefined
  readonly expected: string
}

/** Reads `params._meta`; absent is fine. */
export function readRequestMeta(meta: JsonValue | undefined): Result<RequestMeta, MetaFault> {
  if (meta === undefined) return ok({ progressToken: undefined })
  if (!isJsonObject(meta)) return fail({ reason: 'wrong_type', key: undefined, expected: 'an object' })
  const progressToken = meta[META.progressToken]
  if (progressToken !== undefined && !isProgressToken(progressToken)) {
    return fail({ reason: 'wrong_type', key: META.progressToken, expected: 'a string or an integer' })
  }
  return ok({ progressToken })
}
