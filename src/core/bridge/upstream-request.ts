/**
 * A client's request in the words of the upstream's era: what is re-made on every hop is re-made here (bridge-rulings §2),
 * all else stays byte for byte.
 */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { JsonNode, WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { HOP_META, META } from '../../protocol/meta.ts'
import { routedBy } from '../../protocol/method.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { splice } from '../../protocol/splice.ts'
import type { Change } from '../../protocol/splice.ts'
import { mirrorHeaders } from '../../protocol/modern/request-headers.ts'
import type { Route } from '../gateway/exchange.ts'
import type { GatheredInput } from './gather-input.ts'
import { isOwnState } from './own-state.ts'

export interface RequestLook {
  readonly idText: IdText
  readonly route: Route
  readonly clientEra: Era
  readonly upstreamEra: Era
  readonly upstreamRevision: Revision
  /** `clientInfo` of Portolan itself, as wire text. */
  readonly selfText: WireText
  /** The legacy session's level, stamped on requests to modern upstreams; '' for none. */
  readonly logLevel: string
  /** The upstream's own id of the task that this request belongs to; undefined where it names none. */
  readonly relatedTask: string | undefined
  /** What a legacy client may be asked for, in modern words. */
  readonly clientCapabilities: WireText
  /** What it answered: this is the retry. */
  readonly input: GatheredInput | undefined
  /** Between eras the call becomes a task: a modern server is told that it may, a legacy one that it must. */
  readonly becomesTask?: boolean
}

interface Members {
  readonly set: Record<string, WireText>
  readonly remove: string[]
}

/** The whole request for the upstream. Its progress token, where the client gave one, is its id. */
export function upstreamRequest(message: Message, look: RequestLook): WireText {
  const { root, body } = message
  const changes: Change[] = []
  const id = member(root, 'id')
  if (id !== undefined) changes.push({ node: id, text: look.idText })
  addSubject(changes, message, look.route)
  const params: Members = { set: {}, remove: [] }
  if (look.clientEra === 'legacy' && look.upstreamEra === 'modern') {
    params.remove.push('task')
    if (look.input?.responsesText !== undefined) params.set['inputResponses'] = look.input.responsesText
    if (look.input?.stateText !== undefined) params.set['requestState'] = look.input.stateText
  }
  const { requestState } = look.route
  if (look.clientEra === 'modern' && look.upstreamEra === 'legacy') {
    params.remove.push('inputResponses', 'requestState')
    // Not the client's to say in its era (ext-tasks, Capability Negotiation).
    if (message.method === 'tools/call') params.remove.push('task')
    if (look.becomesTask === true) params.set['task'] = '{}'
  } else if (isOwnState(requestState)) params.remove.push('inputResponses', 'requestState')
  else if (requestState !== undefined) params.set['requestState'] = asciiJson(requestState)
  if (look.route.params !== undefined) Object.assign(params.set, look.route.params)
  addMeta(changes, params, member(body, '_meta'), metaMembers(message, look))
  if (body === undefined) {
    if (Object.keys(params.set).length > 0) changes.push({ node: root, set: { params: objectText(params.set) } })
  } else if (Object.keys(params.set).length > 0 || params.remove.length > 0) changes.push({ node: body, ...params })
  return splice(message.text, changes)
}

/** The progress token as the client wrote it; '' where it asked for no progress. */
export function clientToken(message: Message): WireText {
  const token = member(member(message.body, '_meta'), META.progressToken)
  return token === undefined ? '' : message.text.slice(token.start, token.end)
}

/** Header pairs that a modern upstream over HTTP needs besides the fixed ones. */
export function upstreamHeaders(
  message: Message,
  route: Route,
  credential: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  const pairs = mirrorHeaders(message.method, route.subject)
  return route.paramHeaders.length === 0 && credential.length === 0 ? pairs : [...pairs, ...route.paramHeaders, ...credential]
}

/** What names the subject is put in the upstream's words; task ids are sealed everywhere, the rest is other on `/mcp` and where renamed. */
function addSubject(changes: Change[], { text, method, body }: Message, { subject, marked, renamed }: Route): void {
  const by = routedBy(method)
  if (by === 'none' || (!marked && renamed !== true && by !== 'taskId')) return
  const ref = by === 'ref' ? member(body, 'ref') : undefined
  const node = by === 'ref' ? member(ref, readString(text, member(ref, 'type')) === 'ref/prompt' ? 'name' : 'uri') : member(body, by)
  if (node !== undefined) changes.push({ node, text: asciiJson(subject) })
}

function metaMembers(message: Message, look: RequestLook): Members {
  const meta: Members = { set: {}, remove: [] }
  if (clientToken(message) !== '') meta.set[META.progressToken] = look.idText
  if (look.relatedTask !== undefined) meta.set[META.relatedTask] = asciiJson({ taskId: look.relatedTask })
  if (look.upstreamEra === 'modern') {
    meta.set[META.protocolVersion] = `"${look.upstreamRevision}"`
    meta.set[META.clientInfo] = look.selfText
    if (look.clientEra === 'legacy') {
      meta.set[META.clientCapabilities] = look.clientCapabilities
      if (look.logLevel !== '') meta.set[META.logLevel] = asciiJson(look.logLevel)
    }
  } else if (look.clientEra === 'modern') {
    meta.remove.push(...HOP_META)
  }
  return meta
}

function addMeta(changes: Change[], params: Members, node: JsonNode | undefined, meta: Members): void {
  if (node?.members !== undefined) changes.push({ node, ...meta })
  else if (Object.keys(meta.set).length > 0) params.set['_meta'] = objectText(meta.set)
}

function objectText(members: Readonly<Record<string, WireText>>): WireText {
  return `{${Object.entries(members)
    .map(([key, value]) => `${asciiJson(key)}:${value}`)
    .join(',')}}`
}
