/**
 * The headers that mirror a modern request's body (S26 basic/transports/streamable-http, Request Metadata): what to
 * send, and whether what came agrees. `Mcp-Param-*` is in tool-header.ts.
 */
import { encodeHeaderValue, HEADER, headerStandsFor } from '../header.ts'
import type { HeaderFault } from '../header.ts'
import { fail, ok } from '../result.ts'
import type { Result } from '../result.ts'

/** What the body says. */
export interface MirroredBody {
  readonly protocolVersion: string
  readonly method: string
  /** See `mirroredName`; undefined: the method has no `Mcp-Name`. */
  readonly name: string | undefined
}

/** `header_mismatch`, whatever the reason. */
export interface MirrorFault {
  readonly reason: 'missing' | 'mismatch' | HeaderFault['reason']
  readonly header: 'MCP-Protocol-Version' | 'Mcp-Method' | 'Mcp-Name'
}

/** The headers to send, in lower case, values encoded. */
export function mirrorHeaders(body: MirroredBody): [name: string, value: string][] {
  return [
    [HEADER.protocolVersion, body.protocolVersion],
    [HEADER.method, body.method],
    ...(body.name === undefined ? [] : [[HEADER.name, encodeHeaderValue(body.name)] satisfies [string, string]]),
  ]
}

/**
 * Whether the headers agree with the body. `header` gives a received value by its lower-case name. An `Mcp-Name` on a
 * method that has none is not recognized, and not checked.
 */
export function checkMirroredHeaders(
  body: MirroredBody,
  header: (nameLower: string) => string | undefined,
): Result<void, MirrorFault> {
  const version = header(HEADER.protocolVersion)
  if (version === undefined) return fail({ reason: 'missing', header: 'MCP-Protocol-Version' })
  if (version !== body.protocolVersion) return fail({ reason: 'mismatch', header: 'MCP-Protocol-Version' })
  const method = header(HEADER.method)
  if (method === undefined) return fail({ reason: 'missing', header: 'Mcp-Method' })
  if (method !== body.method) return fail({ reason: 'mismatch', header: 'Mcp-Method' })
  if (body.name === undefined) return ok(undefined)
  const name = header(HEADER.name)
  if (name === undefined) return fail({ reason: 'missing', header: 'Mcp-Name' })
  const stands = headerStandsFor(name, body.name)
  if (!stands.ok) return fail({ reason: stands.fault.reason, header: 'Mcp-Name' })
  return stands.value ? ok(undefined) : fail({ reason: 'mismatch', header: 'Mcp-Name' })
}

/** One sentence for the error's message. */
export function describeMirrorFault(fault: MirrorFault): string {
  if (fault.reason === 'missing') return `Header mismatch: ${fault.header} header is missing`
  if (fault.reason === 'mismatch') return `Header mismatch: ${fault.header} header does not match the body`
  return `Header mismatch: ${fault.header} header is malformed`
}
