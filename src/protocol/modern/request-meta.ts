/** What every modern request carries in `_meta` (S26 basic, `_meta`): read once, faults as data. */
import type { ClientCapabilities } from '../capability.ts'
import { isImplementation } from '../implementation.ts'
import type { Implementation } from '../implementation.ts'
import { isJsonObject } from '../json-value.ts'
import type { JsonObject, JsonValue } from '../json-value.ts'
import { isLogLevel, isProgressToken, META } from '../meta.ts'
import type { LogLevel, ProgressToken } from '../meta.ts'
import { fail, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** What a modern request says of itself. */
export interface RequestMeta {
  /** As received: it may be a revision that we do not speak. */
  readonly protocolVersion: string
  readonly clientCapabilities: ClientCapabilities
  readonly clientInfo: Implementation | undefined
  /** Undefined: send no log messages. */
  readonly logLevel: LogLevel | undefined
  readonly progressToken: ProgressToken | undefined
}

/** A malformed request: `invalid_meta`. `expected` is for people. */
export interface MetaFault {
  readonly reason: 'missing' | 'wrong_type'
  /** The key within `_meta`, with a path into capabilities behind a dot; undefined: `_meta` itself. */
  readonly key: string | undefined
  readonly expected: string
}

const CAPABILITY_KEYS = ['roots', 'sampling', 'elicitation', 'extensions', 'experimental'] as const

/** Whether a request says that it is modern: the first question of era detection (bridge-rulings §1). */
export function hasRequestMeta(meta: JsonValue | undefined): boolean {
  return isJsonObject(meta) && Object.hasOwn(meta, META.protocolVersion)
}

/** Reads `params._meta`; the first fault wins, required keys before optional ones. */
export function readRequestMeta(meta: JsonValue | undefined): Result<RequestMeta, MetaFault> {
  if (meta === undefined) return fail({ reason: 'missing', key: undefined, expected: 'an object' })
  if (!isJsonObject(meta)) return fail({ reason: 'wrong_type', key: undefined, expected: 'an object' })
  const fault = required(meta) ?? optional(meta)
  if (fault !== undefined) return fail(fault)
  const { [META.clientInfo]: clientInfo, [META.logLevel]: logLevel, [META.progressToken]: progressToken } = meta
  const { [META.protocolVersion]: protocolVersion, [META.clientCapabilities]: clientCapabilities } = meta
  return ok({
    protocolVersion: typeof protocolVersion === 'string' ? protocolVersion : '',
    clientCapabilities: isJsonObject(clientCapabilities) ? clientCapabilities : {},
    clientInfo: isImplementation(clientInfo) ? clientInfo : undefined,
    logLevel: isLogLevel(logLevel) ? logLevel : undefined,
    progressToken: isProgressToken(progressToken) ? progressToken : undefined,
  })
}

function required(meta: JsonObject): MetaFault | undefined {
  const version = meta[META.protocolVersion]
  if (version === undefined) return { reason: 'missing', key: META.protocolVersion, expected: 'a string' }
  if (typeof version !== 'string') return { reason: 'wrong_type', key: META.protocolVersion, expected: 'a string' }
  const capabilities = meta[META.clientCapabilities]
  if (capabilities === undefined) return { reason: 'missing', key: META.clientCapabilities, expected: 'an object' }
  if (!isJsonObject(capabilities)) return { reason: 'wrong_type', key: META.clientCapabilities, expected: 'an object' }
  const wrong = CAPABILITY_KEYS.find((key) => Object.hasOwn(capabilities, key) && !isJsonObject(capabilities[key]))
  if (wrong === undefined) return undefined
  return { reason: 'wrong_type', key: `${META.clientCapabilities}.${wrong}`, expected: 'an object' }
}

function optional(meta: JsonObject): MetaFault | undefined {
  const { [META.clientInfo]: clientInfo, [META.logLevel]: logLevel, [META.progressToken]: progressToken } = meta
  if (clientInfo !== undefined && !isImplementation(clientInfo)) {
    return { reason: 'wrong_type', key: META.clientInfo, expected: 'an object with the strings name and version' }
  }
  if (logLevel !== undefined && !isLogLevel(logLevel)) {
    return { reason: 'wrong_type', key: META.logLevel, expected: 'a log level' }
  }
  if (progressToken !== undefined && !isProgressToken(progressToken)) {
    return { reason: 'wrong_type', key: META.progressToken, expected: 'a string or an integer' }
  }
  return undefined
}

/** One sentence for the error's message. */
export function describeMetaFault(fault: MetaFault): string {
  const where = fault.key === undefined ? 'params._meta' : `params._meta['${fault.key}']`
  return `Invalid params: ${where} ${fault.reason === 'missing' ? 'is required:' : 'must be'} ${fault.expected}`
}

/** What a hop says of itself and its client. */
export interface RequestMetaParts {
  readonly protocolVersion: string
  readonly clientCapabilities: ClientCapabilities
  readonly clientInfo?: Implementation
  readonly logLevel?: LogLevel
  readonly progressToken?: ProgressToken
}

/** The `_meta` members that a hop writes itself. */
export function writeRequestMeta(parts: RequestMetaParts): JsonObject {
  return {
    [META.protocolVersion]: parts.protocolVersion,
    [META.clientCapabilities]: parts.clientCapabilities,
    ...(parts.clientInfo === undefined ? {} : { [META.clientInfo]: parts.clientInfo }),
    ...(parts.logLevel === undefined ? {} : { [META.logLevel]: parts.logLevel }),
    ...(parts.progressToken === undefined ? {} : { [META.progressToken]: parts.progressToken }),
  }
}
