/** The handshake that opens a legacy session (S25 basic/lifecycle), as a server: read and answered. */
import type { ClientCapabilities, ServerCapabilities } from '../capability.ts'
import { isImplementation } from '../implementation.ts'
import type { Implementation } from '../implementation.ts'
import { isJsonObject } from '../json-value.ts'
import type { JsonObject, JsonValue } from '../json-value.ts'
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

/** `key` is the member of `params`; undefined: the whole is no object. */
export interface InitializeFault {
  readonly reason: 'wrong_type'
  readonly key: string | undefined
  readonly expected: string
}

/** Reads a client's `initialize`. */
export function readInitializeParams(params: JsonValue | undefined): Result<InitializeParams, InitializeFault> {
  if (!isJsonObject(params)) return wrong(undefined, 'an object')
  const { protocolVersion, capabilities, clientInfo } = params
  if (typeof protocolVersion !== 'string') return wrong('protocolVersion', 'a string')
  if (!isJsonObject(capabilities)) return wrong('capabilities', 'an object')
  if (!isImplementation(clientInfo)) return wrong('clientInfo', 'an object with the strings name and version')
  return ok({ protocolVersion, capabilities, clientInfo })
}

function wrong(key: string | undefined, expected: string): { readonly ok: false; readonly fault: InitializeFault } {
  return fail({ reason: 'wrong_type', key, expected })
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
