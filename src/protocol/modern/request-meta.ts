/** What every modern request carries in `_meta` (S26 basic, `_meta`): checked where it stands, and written. */
import { asciiJson, member, readString } from '../json.ts'
import type { JsonNode, WireText } from '../json.ts'
import type { Implementation } from '../implementation.ts'
import { isLogLevel, META } from '../meta.ts'

/** A malformed request: `invalid_meta`. `expected` is for people. */
export interface MetaFault {
  readonly reason: 'missing' | 'wrong_type'
  /** The key within `_meta`. */
  readonly key: string
  readonly expected: string
}

/** Whether a request says that it is modern: the first question of era detection (bridge-rulings §1). */
export function claimsRevision(meta: JsonNode | undefined): boolean {
  return member(meta, META.protocolVersion) !== undefined
}

/** The revision as named, which may be one that we do not speak; undefined where it is absent or no string. */
export function claimedRevision(text: WireText, meta: JsonNode | undefined): string | undefined {
  return readString(text, member(meta, META.protocolVersion))
}

/**
 * The first fault of an opened `_meta`, required keys before optional ones; undefined where there is none. What stands
 * within the capabilities is not looked at: whoever needs one asks for it.
 */
export function requestMetaFault(text: WireText, meta: JsonNode | undefined): MetaFault | undefined {
  if (member(meta, META.protocolVersion)?.kind !== 'string') return fault(meta, META.protocolVersion, 'a string')
  if (member(meta, META.clientCapabilities)?.kind !== 'object') return fault(meta, META.clientCapabilities, 'an object')
  const clientInfo = member(meta, META.clientInfo)
  if (clientInfo !== undefined && !isImplementationNode(clientInfo)) {
    return fault(meta, META.clientInfo, 'an object with the strings name and version')
  }
  const level = member(meta, META.logLevel)
  if (level !== undefined && !isLogLevel(readString(text, level))) return fault(meta, META.logLevel, 'a log level')
  const token = member(meta, META.progressToken)
  if (token !== undefined && !isTokenNode(text, token)) return fault(meta, META.progressToken, 'a string or an integer')
  return undefined
}

function fault(meta: JsonNode | undefined, key: string, expected: string): MetaFault {
  return { reason: member(meta, key) === undefined ? 'missing' : 'wrong_type', key, expected }
}

function isImplementationNode(node: JsonNode): boolean {
  return member(node, 'name')?.kind === 'string' && member(node, 'version')?.kind === 'string'
}

/** `1.0` and `1e3` are integers too: JSON has one kind of number. */
function isTokenNode(text: WireText, node: JsonNode): boolean {
  return node.kind === 'string' || (node.kind === 'number' && Number.isInteger(Number(text.slice(node.start, node.end))))
}

/** One sentence for the error's message. */
export function describeMetaFault({ reason, key, expected }: MetaFault): string {
  return `Invalid params: params._meta['${key}'] ${reason === 'missing' ? 'is required:' : 'must be'} ${expected}`
}

/** The `_meta` of a request that is Portolan's own; it declares nothing of any client unless it is told. */
export function ownRequestMeta(revision: string, self: Implementation, capabilities: WireText = '{}'): WireText {
  const texts = { [META.protocolVersion]: asciiJson(revision), [META.clientInfo]: asciiJson(self), [META.clientCapabilities]: capabilities }
  return `{${Object.entries(texts).map(([key, text]) => `"${key}":${text}`).join(',')}}`
}
