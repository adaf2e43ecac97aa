/** The handshake that opens a legacy session (S25 basic/lifecycle): both its sides, read and written. */
import type { ClientCapabilities, ServerCapabilities } from '../capability.ts'
import { isImplementation } from '../implementation.ts'
import type { Implementation } from '../implementation.ts'
import { isJsonObject } from '../json-value.ts'
import type { JsonObject, JsonValue } from '../json-value.ts'
import { acceptLegacy } from '../revision.ts'
import type { LegacyRevision } from '../revision.ts'
import { fail, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** A client's opening. */
export interface InitializeParams {
  /** As asked for: see `negotiateLegacy`. */
  readonly protocolVersion: string
  readonly capabilities: ClientCapabilities
  readonly clientInfo: Implementation
}

/** An upstream's answer. */
export interface InitializeResult {
  readonly revision: LegacyRevision
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation
  readonly instructions: string | undefined
}

/** `key` is the member of `params` or of `result`; undefined: the whole is no object. */
export type InitializeFault =
  | { readonly reason: 'wrong_type'; readonly key: string | undefined; readonly expected: string }
  /** The server speaks no revision that we do; it says which. */
  | { readonly reason: 'unknown_revision'; readonly answered: string }

/** Reads a client's `initialize`. */
export function readInitializeParams(params: JsonValue | undefined): Result<InitializeParams, InitializeFault> {
  if (!isJsonObject(params)) return wrong(undefined, 'an object')
  const { protocolVersion, capabilities, clientInfo } = params
  if (typeof protocolVersion !== 'string') return wrong('protocolVersion', 'a string')
  if (!isJsonObject(capabilities)) return wrong('capabilities', 'an object')
  if (!isImplementation(clientInfo)) return wrong('clientInfo', 'an object with the strings name and version')
  return ok({ protocolVersion, capabilities, clientInfo })
}

/** Reads an upstream's answer. Lenient where nothing depends on it: some servers leave out `version`. */
export function readInitializeResult(result: JsonValue | undefined): Result<InitializeResult, InitializeFault> {
  if (!isJsonObject(result)) return wrong(undefined, 'an object')
  const { protocolVersion, capabilities, serverInfo, instructions } = result
  if (typeof protocolVersion !== 'string') return wrong('protocolVersion', 'a string')
  const revision = acceptLegacy(protocolVersion)
  if (revision === undefined) return fail({ reason: 'unknown_revision', answered: protocolVersion })
  if (!isJsonObject(capabilities)) return wrong('capabilities', 'an object')
  return ok({
    revision,
    capabilities,
    serverInfo: isImplementation(serverInfo) ? serverInfo : named(isJsonObject(serverInfo) ? serverInfo : {}),
    instructions: typeof instructions === 'string' ? instructions : undefined,
  })
}

function named(given: JsonObject): Implementation {
  const { name, version } = given
  return { ...given, name: typeof name === 'string' ? name : '', version: typeof version === 'string' ? version : '' }
}

function wrong(key: string | undefined, expected: string): { readonly ok: false; readonly fault: InitializeFault } {
  return fail({ reason: 'wrong_type', key, expected })
}

/** What we say of ourselves, or of the client, to an upstream. */
export interface InitializeParts {
  readonly protocolVersion: string
  readonly capabilities: ClientCapabilities
  readonly clientInfo: Implementation
}

/** The `params` of an `initialize` that we send. */
export function writeInitializeParams(parts: InitializeParts): JsonObject {
  return { protocolVersion: parts.protocolVersion, capabilities: parts.capabilities, clientInfo: parts.clientInfo }
}

/** The `result` of an `initialize` that we answer. */
export function writeInitializeResult(parts: {
  readonly revision: LegacyRevision
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation
  readonly instructions?: string
}): JsonObject {
  return {
    protocolVersion: parts.revision,
    capabilities: parts.capabilities,
    serverInfo: parts.serverInfo,
    ...(parts.instructions === undefined ? {} : { instructions: parts.instructions }),
  }
}
