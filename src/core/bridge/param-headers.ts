/** Arguments that a tool mirrors into `Mcp-Param-*` headers, for the upstream server (S26 streamable-http, Custom Headers). */

import { member, readJson } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import { PortolanError } from '../../protocol/error.ts'
import { PARAM_HEADER_PREFIX } from '../../protocol/header.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { checkParamHeaders, paramHeaders } from '../../protocol/tool-header.ts'
import type { ToolHeaders } from '../../protocol/tool-header.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { Upstream } from '../upstream/upstream.ts'

/**
 * Recognized ones are checked against the body and made anew, the others forwarded. Those of `fixed` arguments are not the
 * client's to send. Throws PortolanError.
 */
export function checkedHeaders(exchange: Exchange, upstream: Upstream, headers: ToolHeaders, fixed?: Route['fixed']): Route['paramHeaders'] {
  const { http, era } = exchange
  const args = mirroredArguments(exchange, headers)
  // A legacy client knows of no such headers, and need not send them.
  if (headers.rules.length > 0 && http !== undefined && era === 'modern') {
    const checked = checkParamHeaders(headers.rules, args, (name) => http.header(name))
    if (!checked.ok) {
      throw new PortolanError('header_mismatch', { message: `Header mismatch: ${checked.fault.header}: ${checked.fault.reason}` })
    }
  }
  return headersOf(exchange, upstream, headers, withFixed(args, fixed))
}

/**
 * By rules that are newer than the list the client has seen: it cannot be blamed for a header that it does not know of
 * (bridge-rulings §2, −32020). Throws PortolanError for arguments that two readers could read differently.
 */
export function renewedHeaders(exchange: Exchange, { upstream, fixed }: Route, headers: ToolHeaders): Route['paramHeaders'] {
  return headersOf(exchange, upstream, headers, withFixed(mirroredArguments(exchange, headers), fixed))
}

function withFixed(args: JsonObject, fixed: Route['fixed']): JsonObject {
  if (fixed === undefined) return args
  return { ...args, ...Object.fromEntries(Object.entries(fixed).map(([name, text]) => [name, JSON.parse(text)])) }
}

function headersOf({ http }: Exchange, upstream: Upstream, { rules, namesLower }: ToolHeaders, args: JsonObject): Route['paramHeaders'] {
  const received = unconfigured(http?.headersWith(PARAM_HEADER_PREFIX) ?? [], upstream)
  if (rules.length === 0) return received
  return [...paramHeaders(rules, args), ...received.filter(([name]) => !namesLower.has(name.toLowerCase()))]
}

/** What the configuration sends to a server is not the client's to say. */
function unconfigured(headers: Route['paramHeaders'], { config: { target } }: Upstream): Route['paramHeaders'] {
  if (headers.length === 0 || target.transport !== 'http') return headers
  return headers.filter(([name]) => !Object.hasOwn(target.headers, name))
}

/**
 * The arguments, read strictly where they are mirrored: of a name that stands twice the server might read the other one,
 * and whoever decides by the header would have decided about something else.
 */
function mirroredArguments({ message }: Exchange, { rules, plan }: ToolHeaders): JsonObject {
  const node = rules.length === 0 ? undefined : member(message?.body, 'arguments')
  if (message === undefined || node === undefined) return {}
  const text = message.text.slice(node.start, node.end)
  // Its depth was bounded when it arrived.
  const scan = scanJson(text, plan, Infinity)
  if (!scan.ok) throw new PortolanError('duplicate_key', { message: 'Invalid request: duplicate key in arguments' })
  const value = readJson(text, scan.value)
  return isJsonObject(value) ? value : {}
}
