/** `x-mcp-header` at the client (S26 server/tools): what is mirrored into headers, and tools that must be left out. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { paramHeaders, readToolHeaders } from '../../protocol/tool-header.ts'

/** The `Mcp-Param-*` headers of a call; none where the tool is unknown. */
export function paramHeadersOf(tool: JsonObject | undefined, params: JsonObject): Record<string, string> {
  const args = params['arguments']
  if (tool === undefined || !isJsonObject(args)) return {}
  const rules = readToolHeaders(tool['inputSchema'] ?? {})
  return rules.ok ? Object.fromEntries(paramHeaders(rules.value, args)) : {}
}

/** Why a tool must not be called over HTTP; '' where it may. */
export function toolHeaderFault(tool: JsonObject): string {
  const rules = readToolHeaders(tool['inputSchema'] ?? {})
  return rules.ok ? '' : `x-mcp-header at ${rules.fault.path.join('.')}: ${rules.fault.reason.replaceAll('_', ' ')}`
}
