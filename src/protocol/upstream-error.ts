/**
 * What a client of one era gets for a JSON-RPC error that an upstream of some era answered (bridge-rulings §2, §5;
 * S26 basic, Error Codes). What has the same meaning in both eras passes with its code, message and data unchanged.
 */
import { isJsonObject } from './json-value.ts'
import { ERRORS, toErrorObject } from './error.ts'
import type { WireError, WireErrorObject } from './error.ts'
import { routedBy } from './method.ts'
import type { Era } from './revision.ts'

/** What to do with an upstream's error. */
export type UpstreamErrorVerdict =
  | { readonly kind: 'relay'; readonly error: WireError }
  /** −32020 from a modern upstream: refused before execution. Refresh its tools and send again, never relay. */
  | { readonly kind: 'headers_refused' }
  /** −32022 from a modern upstream: choose a revision from `data.supported` and send again, never relay. */
  | { readonly kind: 'version_refused' }
  /** −32042 from a legacy upstream, for a modern client: `data.elicitations` become an `input_required` result. */
  | { readonly kind: 'url_elicitation' }

/** Where an error comes from and goes to. */
export interface ErrorRoute {
  /** The upstream's era. */
  readonly from: Era
  /** The client's era. */
  readonly to: Era
  /** The method that the upstream answered. */
  readonly method: string
}

const NOT_FOUND_LEGACY = ERRORS.resource_not_found.legacy.code
const INVALID_PARAMS = ERRORS.invalid_params.modern.code
const METHOD_NOT_FOUND = ERRORS.method_not_found.modern.code
const HEADER_MISMATCH = ERRORS.header_mismatch.modern.code
const MISSING_CAPABILITY = ERRORS.missing_capability.modern.code
const UNSUPPORTED_VERSION = ERRORS.unsupported_version.modern.code
/** 2025-11-25 only. */
const URL_ELICITATION_REQUIRED = -32042

/** S26 basic, Error Codes: defined exclusively by the specification. */
function isReservedCode(code: number): boolean {
  return code <= -32020 && code >= -32099
}

/** Decides what becomes of an upstream's error. The message is never changed: it is the upstream's to the user. */
export function translateUpstreamError(error: WireErrorObject, route: ErrorRoute): UpstreamErrorVerdict {
  return route.from === 'modern' ? fromModern(error, route) : fromLegacy(error, route)
}

/** A legacy server's error of a call, within a task of the extension. */
export function taskError(error: WireErrorObject): WireErrorObject {
  const verdict = translateUpstreamError(error, { from: 'legacy', to: 'modern', method: 'tools/call' })
  // What a client would be sent away for in a call (−32042) has no form within a task.
  return verdict.kind === 'relay' ? toErrorObject(verdict.error) : { code: -32603, message: error.message }
}

function fromModern(error: WireErrorObject, { to, method }: ErrorRoute): UpstreamErrorVerdict {
  if (error.code === HEADER_MISMATCH) return { kind: 'headers_refused' }
  if (error.code === UNSUPPORTED_VERSION) return { kind: 'version_refused' }
  if (error.code === MISSING_CAPABILITY) return relay(error, ERRORS.missing_capability[to].code, to)
  if (isReservedCode(error.code)) return relay(error, ERRORS.internal[to].code, to)
  const notFound = method === 'resources/read' && (error.code === INVALID_PARAMS || error.code === NOT_FOUND_LEGACY)
  if (notFound) return relay(error, ERRORS.resource_not_found[to].code, to)
  if (error.code === NOT_FOUND_LEGACY && to === 'modern') return relay(error, ERRORS.internal.modern.code, to)
  return relay(error, error.code, to)
}

function fromLegacy(error: WireErrorObject, { to, method }: ErrorRoute): UpstreamErrorVerdict {
  if (to === 'legacy') return relay(error, error.code, to)
  if (error.code === URL_ELICITATION_REQUIRED) return { kind: 'url_elicitation' }
  if (isJsonObject(error.data) && isJsonObject(error.data['requiredCapabilities'])) return relay(error, MISSING_CAPABILITY, to)
  if (error.code === NOT_FOUND_LEGACY) {
    return relay(error, routedBy(method) === 'uri' ? INVALID_PARAMS : ERRORS.internal.modern.code, to)
  }
  if (isReservedCode(error.code)) return relay(error, ERRORS.internal.modern.code, to)
  return relay(error, error.code, to)
}

function relay(error: WireErrorObject, code: number, to: Era): UpstreamErrorVerdict {
  return { kind: 'relay', error: { ...error, code, status: statusOf(code, to) } }
}

/** The upstream's own status is not passed on: a legacy client would take its 404 for the end of the session. */
function statusOf(code: number, to: Era): number {
  if (code === METHOD_NOT_FOUND) return ERRORS.method_not_found[to].status
  return code === MISSING_CAPABILITY ? ERRORS.missing_capability.modern.status : 200
}
