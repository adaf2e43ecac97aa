/**
 * The headers that mirror a modern request's body (S26 basic/transports/streamable-http, Request Metadata): what to
 * send, and whether what came agrees. `Mcp-Param-*` is in tool-header.ts.
 */
import { encodeHeaderValue, HEADER, headerStandsFor } from '../header.ts'
import { member, readString } from '../json.ts'
import type { Message } from '../message.ts'
import { mcpNameMember } from '../method.ts'

/** `header_mismatch`: the header is missing (`sent` undefined), or stands for something else than `expected`. */
export interface MirrorFault {
  readonly header: typeof HEADER.protocolVersion | typeof HEADER.method | typeof HEADER.name
  readonly sent: string | undefined
  readonly expected: string
}

/** `Mcp-Method`, and `Mcp-Name` where the method has it: in lower case, `name` encoded. */
export function mirrorHeaders(method: string, name: string): (readonly [name: string, value: string])[] {
  if (mcpNameMember(method) === undefined) return [[HEADER.method, method]]
  return [[HEADER.method, method], [HEADER.name, encodeHeaderValue(name)]]
}

/** Whether the version header says what `_meta` says. */
export function versionHeaderFault(sent: string | undefined, expected: string): MirrorFault | undefined {
  return sent === expected ? undefined : { header: HEADER.protocolVersion, sent, expected }
}

/**
 * Whether `Mcp-Method` and `Mcp-Name` agree with the body. `header` gives a received value by its lower-case name. An
 * `Mcp-Name` on a method that has none is not recognized, and not checked.
 */
export function mirrorFault(
  message: Message,
  header: (lowerCaseName: string) => string | undefined,
): MirrorFault | undefined {
  const method = header(HEADER.method)
  if (method !== message.method) return { header: HEADER.method, sent: method, expected: message.method }
  const nameIn = mcpNameMember(method)
  if (nameIn === undefined) return undefined
  const expected = readString(message.text, member(message.body, nameIn))
  if (expected === undefined) return undefined
  const sent = header(HEADER.name)
  // Tasks: clients MUST set it, servers route by it (ext-tasks); only a wrong one is refused.
  if (sent === undefined) return nameIn === 'taskId' ? undefined : { header: HEADER.name, sent, expected }
  const stands = headerStandsFor(sent, expected)
  return stands.ok && stands.value ? undefined : { header: HEADER.name, sent, expected }
}

/** One sentence for the error's message. */
export function describeMirrorFault({ header, sent, expected }: MirrorFault): string {
  const got = sent === undefined ? 'is missing' : `is ${JSON.stringify(sent.slice(0, 128))}`
  return `Header mismatch: ${header} ${got}, the body says ${JSON.stringify(expected.slice(0, 128))}`
}
