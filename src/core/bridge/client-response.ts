/**
 * An upstream's response in the words of the client's era: its own id, marked URIs on `/mcp`, sealed task ids and request
 * states, the result type and hints that one era needs and the other lacks, text for content that a revision lacks. All
 * else stays byte for byte.
 */

import { APP_META_PLAN } from '../../protocol/app.ts'
import type { AppBounds } from '../../protocol/app.ts'
import { blockAsText, lackedContent } from '../../protocol/content.ts'
import { asciiJson, member, readJson, readString } from '../../protocol/json.ts'
import { scanJson } from '../../protocol/json-scan.ts'
import type { JsonNode, JsonPlan, WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { extensionOf, isMethod, methodIn } from '../../protocol/method.ts'
import { PortolanError } from '../../protocol/error.ts'
import { SKILLS_EXTENSION } from '../../protocol/extension.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { splice } from '../../protocol/splice.ts'
import type { Change } from '../../protocol/splice.ts'
import { addAppUris, addBounds } from '../catalog/app-meta.ts'
import { markUri } from '../catalog/uri-mark.ts'
import type { Outcome } from '../gateway/outcome.ts'

export interface ResponseLook {
  readonly clientIdText: string
  readonly method: string
  readonly clientEra: Era
  readonly clientRevision: Revision
  readonly upstreamEra: Era
  /** The server's slug on `/mcp`; undefined where URIs stay. */
  readonly slug: string | undefined
  /** What pages of this server may reach at most. */
  readonly bounds: readonly AppBounds[]
  readonly selfText: WireText
  readonly sealTask: (taskId: string) => string
  readonly sealState: (state: string) => string
  /** Of the one method whose pages are the server's own. */
  readonly sealCursor: ((cursor: string) => string) | undefined
}

const TOOL_PLAN: JsonPlan = { content: { '*': { resource: { _meta: APP_META_PLAN } } }, _meta: APP_META_PLAN }

/** Where the specification defines content and URIs in responses (decision 0003). */
const CONTENT_PLANS: Readonly<Record<string, { readonly result: JsonPlan }>> = {
  'tools/call': { result: TOOL_PLAN },
  'tasks/result': { result: TOOL_PLAN },
  'tasks/get': { result: { result: TOOL_PLAN } },
  'prompts/get': { result: { messages: { '*': { content: { resource: {} } } } } },
  'resources/read': { result: { contents: { '*': { _meta: APP_META_PLAN } } } },
  'skills/get': { result: { skill: { resources: { '*': {} } } } },
  'resources/directory/read': { result: { resources: { '*': {} } } },
}

/** Throws `upstream_malformed` for an input request that the client cannot have asked for. */
export function clientResponse(message: Message, look: ResponseLook): Outcome {
  const id = member(message.root, 'id')
  const changes: Change[] = id === undefined ? [] : [{ node: id, text: look.clientIdText }]
  if (message.kind === 'error') {
    return { kind: 'answered', text: splice(message.text, changes), status: 200, failed: true }
  }
  const { text, body } = message
  if (body === undefined) throw new PortolanError('upstream_malformed')
  const resultType = readString(text, member(body, 'resultType')) ?? 'complete'
  const set: Record<string, WireText> = {}
  const remove: string[] = []
  addTaskIds(changes, text, body, look)
  const state = member(body, 'requestState')
  if (resultType === 'input_required' && state !== undefined) {
    changes.push({ node: state, text: asciiJson(look.sealState(readString(text, state) ?? '')) })
  }
  const cursor = look.sealCursor === undefined ? undefined : member(body, 'nextCursor')
  if (cursor !== undefined && look.sealCursor !== undefined) changes.push({ node: cursor, text: asciiJson(look.sealCursor(readString(text, cursor) ?? '')) })
  if (look.clientEra !== look.upstreamEra) addEra(set, remove, body, look)
  if (Object.keys(set).length > 0 || remove.length > 0) changes.push({ node: body, set, remove })
  addContent(changes, text, look)
  const out = splice(text, changes)
  if (resultType === 'input_required') return { kind: 'inputRequired', text: out }
  if (resultType === 'task' || (member(body, 'task') !== undefined && look.method === 'tools/call')) return { kind: 'task', text: out }
  return { kind: 'answered', text: out, status: 200, failed: member(body, 'isError')?.kind === 'true' }
}

function addEra(set: Record<string, WireText>, remove: string[], body: JsonNode, look: ResponseLook): void {
  const { method } = look
  if (look.clientEra === 'modern') {
    // S26 basic, Results: every result has one. An extension's own method may have said it already.
    if (isMethod(method) || member(body, 'resultType') === undefined) set['resultType'] = '"complete"'
    // Bridge-rulings §4, Lists: from a legacy upstream nothing is fresh, nothing is shared.
    if (methodIn(method, look.clientRevision)?.cacheable === true) {
      set['ttlMs'] = '0'
      set['cacheScope'] = '"private"'
    }
    return
  }
  // What an extension's own result says is the two ends' business.
  if (!isMethod(method) || extensionOf(method) === SKILLS_EXTENSION) return
  remove.push('resultType', 'ttlMs', 'cacheScope')
  const structured = member(body, 'structuredContent')
  // Bridge-rulings §5: legacy revisions know only objects as structured output.
  if (structured !== undefined && structured.kind !== 'object') remove.push('structuredContent')
}

/** Task ids stand in `taskId`, in `task.taskId`, and in the related-task metadata. */
function addTaskIds(changes: Change[], text: WireText, body: JsonNode, look: ResponseLook): void {
  const nodes = [
    member(body, 'resultType') !== undefined || look.method.startsWith('tasks/') ? member(body, 'taskId') : undefined,
    look.method === 'tools/call' ? member(member(body, 'task'), 'taskId') : undefined,
    member(member(member(body, '_meta'), META.relatedTask), 'taskId'),
  ]
  for (const node of nodes) {
    const taskId = readString(text, node)
    if (node !== undefined && taskId !== undefined) changes.push({ node, text: asciiJson(look.sealTask(taskId)) })
  }
}

/** What is done to content: URIs marked on `/mcp`, blocks named in text where the client's revision lacks them. */
interface ContentLook {
  readonly text: WireText
  readonly mark: ((uri: string) => string) | undefined
  readonly lacked: ReadonlySet<string> | undefined
  readonly bounds: readonly AppBounds[]
}

/** The text is scanned once more, deeper: only on `/mcp`, for revisions that lack some content, and where apps are bounded. */
function addContent(changes: Change[], text: WireText, look: ResponseLook): void {
  const { method, slug } = look
  const lacked = method === 'tools/call' || method === 'prompts/get' ? lackedContent(look.clientRevision) : undefined
  if (slug === undefined && lacked === undefined && look.bounds.length === 0) return
  const plan = Object.hasOwn(CONTENT_PLANS, method) ? CONTENT_PLANS[method] : undefined
  if (plan === undefined) return
  // Its depth was bounded when it arrived. What is repeated further in is found only now.
  const scan = scanJson(text, plan, Infinity)
  if (!scan.ok) throw new PortolanError('upstream_malformed', { cause: `${scan.fault.reason} in the content of ${method}` })
  const mark = slug === undefined ? undefined : (uri: string): string => markUri(slug, uri)
  addPlanned(changes, member(scan.value, 'result'), plan.result, { text, mark, lacked, bounds: look.bounds })
}

function addPlanned(changes: Change[], node: JsonNode | undefined, plan: JsonPlan, look: ContentLook): void {
  if (node === undefined) return
  for (const [key, inner] of Object.entries(plan)) {
    if (key === '_meta') {
      addApp(changes, member(node, key), look)
      continue
    }
    const nodes = key === '*' ? (node.items ?? []) : [member(node, key)]
    for (const one of nodes) if (one !== undefined && !addBlock(changes, one, look)) addPlanned(changes, one, inner, look)
  }
}

function addApp(changes: Change[], meta: JsonNode | undefined, { text, mark, bounds }: ContentLook): void {
  if (mark !== undefined) addAppUris(changes, text, meta, mark)
  if (bounds.length > 0) addBounds(changes, text, meta, bounds)
}

/** True where the block became text, so that nothing is left to change within it. */
function addBlock(changes: Change[], node: JsonNode, { text, mark, lacked }: ContentLook): boolean {
  const change = lacked === undefined ? undefined : blockAsText(text, node, lacked, mark ?? ((uri) => uri))
  if (change !== undefined) changes.push(change)
  const uri = change === undefined && mark !== undefined ? member(node, 'uri') : undefined
  const value = readString(text, uri)
  if (uri !== undefined && mark !== undefined && value !== undefined) changes.push({ node: uri, text: asciiJson(mark(value)) })
  return change !== undefined
}

/** A JSON-RPC error as data, for translation between eras. */
export function readError(message: Message): { readonly code: number; readonly message: string; readonly data?: unknown } {
  const { text, body } = message
  const code = member(body, 'code')
  const data = member(body, 'data')
  return {
    code: code === undefined ? -32603 : Number(text.slice(code.start, code.end)),
    message: readString(text, member(body, 'message')) ?? '',
    ...(data === undefined ? {} : { data: readJson(text, data) }),
  }
}
