/**
 * What neither the reference server nor server-everything shows: a server that writes its messages by hand, so that every byte of
 * them is known, and notes in files how its calls were cancelled. It offers tools only.
 */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { actFixtureTask, LEGACY_TASKS, startFixtureTask, TASKS } from './fixture-task.ts'

export type Json = Readonly<Record<string, unknown>>
export type FixtureEra = 'legacy' | 'modern'

/** Beyond 2^53: lost by whoever parses and prints it. */
export const BIG = '9007199254740993123'

/** One request, and the way to whoever sent it. */
export interface FixtureCall {
  readonly era: FixtureEra
  /** The one that the server speaks; '' for the client's. */
  readonly revision: string
  /** The message as it came. */
  readonly text: string
  readonly method: string
  readonly params: Json
  /** What the client declares: with this request, or for its session. */
  readonly declared: Json
  /** Legacy: a request to the client. `beside`: what stands before it, in one array with it. */
  ask(method: string, params: Json, beside?: readonly string[]): Promise<Json>
  /** A notification that belongs to this call. */
  tell(method: string, params: Json): void
  /** How the call was cancelled: by `notifications/cancelled`, or by a closed connection. */
  onCancelled(run: (how: string) => void): void
}

/** The text of a result's members, or an error. `beside`: messages that stand before the response, in one array with it. */
export type FixtureAnswer = ({ readonly result: string } | { readonly error: Json }) & { readonly beside?: readonly string[] }

const NAMES = ['zeta', 'echo', 'alpha', 'fail', 'wait', 'content', 'list', 'sample', 'notify', 'job', 'arrays', 'declared', 'trace'] as const
/** An extension that nobody has heard of, as the server has it. */
export const VENDOR = 'com.example/tables'
export const VENDOR_SERVER: Json = { levels: [1, 2], nested: { a: null } }
/** The trace context of the fixture's answers. */
export const TRACE = '"traceparent" : "00-ffffffffffffffffffffffffffffffff-00f067aa0ba902b7-00","tracestate":"s=\\u0031"'
const PIXEL = 'iVBORw0KGgo='

/** The tools in their order, each with a member that no revision has. */
export const FIXTURE_TOOLS = NAMES.map((name) => ({ name, inputSchema: { type: 'object' }, vendorRank: 7 }))
const LEGACY_TOOLS = FIXTURE_TOOLS.map((tool) => (tool.name === 'job' ? { ...tool, execution: { taskSupport: 'optional' } } : tool))

export interface FixtureContent {
  readonly type: string
  readonly uri?: string
  readonly resource?: { readonly uri: string; readonly mimeType: string; readonly text: string }
  readonly [member: string]: unknown
}

/** One of every kind of content. */
export const FIXTURE_CONTENT: readonly FixtureContent[] = [
  { type: 'text', text: 'a text', annotations: { audience: ['user'], priority: 0.5 } },
  { type: 'image', data: PIXEL, mimeType: 'image/png' },
  { type: 'audio', data: 'UklGRg==', mimeType: 'audio/wav' },
  { type: 'resource', resource: { uri: 'fixture://embedded', mimeType: 'text/plain', text: 'embedded' } },
  { type: 'resource_link', uri: 'fixture://linked', name: 'linked' },
]

const TOOL = { name: 'weather', description: 'The weather of a city', inputSchema: { type: 'object', properties: { city: { type: 'string' } } } }
export const SAMPLING_WITH_TOOLS: Json = {
  messages: [{ role: 'user', content: { type: 'text', text: 'What is the weather in Oslo?' } }],
  maxTokens: 100,
  tools: [TOOL],
  toolChoice: { mode: 'required' },
}

const text = (value: string): string => `"content":[{"type":"text","text":${JSON.stringify(value)}}]`
const recordOf = (value: unknown): Json => (typeof value === 'object' && value !== null ? (value as Json) : {})

/** The answer to one request; undefined for one that is never answered. `notesPath` is a folder, one file for each key of `wait`. */
export async function actFixture(call: FixtureCall, notesPath: string): Promise<FixtureAnswer | undefined> {
  const { era, method } = call
  const cached = era === 'modern' ? ',"ttlMs":0,"cacheScope":"private"' : ''
  switch (method) {
    case 'initialize':
      return initialize(call)
    case 'server/discover':
      return { result: `"supportedVersions":["2026-07-28"],"capabilities":{"tools":{},"extensions":${JSON.stringify({ [TASKS]: {}, [VENDOR]: VENDOR_SERVER })}}${cached}` }
    case 'ping':
      return { result: '' }
    case 'tools/list':
      return { result: `"tools":${JSON.stringify(era === 'modern' ? FIXTURE_TOOLS : LEGACY_TOOLS)}${cached}` }
    case 'tools/call':
      return callTool(call, notesPath)
    case 'tasks/get':
    case 'tasks/result':
    case 'tasks/cancel':
    case 'tasks/list':
      return actFixtureTask(call)
    case 'vendor/echo':
      return { result: `"vendorText":${JSON.stringify(call.text)}` }
    default:
      return { error: { code: -32601, message: 'Method not found' } }
  }
}

function initialize({ revision, params }: FixtureCall): FixtureAnswer {
  const agreed = revision === '' ? String(params['protocolVersion']) : revision
  const tasks = agreed < '2025-11-25' ? '' : `,"tasks":${LEGACY_TASKS}`
  return { result: `"protocolVersion":${JSON.stringify(agreed)},"capabilities":{"tools":{},"extensions":${JSON.stringify({ [VENDOR]: VENDOR_SERVER })}${tasks}},"serverInfo":{"name":"fixture","version":"1"}` }
}

async function callTool(call: FixtureCall, notesPath: string): Promise<FixtureAnswer | undefined> {
  const args = recordOf(call.params['arguments'])
  switch (call.params['name']) {
    case 'echo':
      return { result: `${text(call.text)},"vendorBig":${BIG},"vendorField":{"kept":[1.50,null]}` }
    case 'declared':
      return { result: text(JSON.stringify(call.declared['extensions'] ?? {})) }
    case 'trace':
      return { result: `${text(call.text)},"_meta":{${TRACE}}` }
    case 'fail':
      return { error: { code: 4242, message: 'It failed on purpose', data: { detail: [1, 2] } } }
    case 'content':
      return { result: `"content":${JSON.stringify(FIXTURE_CONTENT)}` }
    case 'list':
      return { result: `${text('["north"]')},"structuredContent":["north"]` }
    case 'sample':
      return sample(call)
    case 'job':
      return startFixtureTask(call) ?? { result: text('plain') }
    case 'arrays':
      return answerInArrays(call)
    case 'notify':
      call.tell('notifications/vendor/news', { headline: 'kept' })
      return { result: text('told') }
    case 'wait':
      call.onCancelled((how) => appendFileSync(join(notesPath, String(args['key'])), `${how} `))
      appendFileSync(join(notesPath, `${String(args['key'])}-begun`), 'begun')
      if (args['milliseconds'] === undefined) return undefined
      await new Promise((resolve) => setTimeout(resolve, Number(args['milliseconds'])))
      return { result: text('waited') }
    default:
      return { error: { code: -32602, message: `Unknown tool: ${String(call.params['name'])}` } }
  }
}

/** Sampling with tools, of a client of either era. */
async function sample({ era, params, ask }: FixtureCall): Promise<FixtureAnswer> {
  if (era === 'legacy') return { result: text(JSON.stringify(await ask('sampling/createMessage', SAMPLING_WITH_TOOLS))) }
  const answer = recordOf(params['inputResponses'])['model']
  if (answer !== undefined) return { result: text(JSON.stringify(answer)) }
  return { result: `"resultType":"input_required","inputRequests":{"model":${JSON.stringify({ method: 'sampling/createMessage', params: SAMPLING_WITH_TOOLS })}}` }
}

/** As servers of 2025-03-26 may: progress with a question, where that is wanted, and progress with the response. */
async function answerInArrays({ params, ask }: FixtureCall): Promise<FixtureAnswer> {
  const token = recordOf(params['_meta'])['progressToken']
  const progress = (done: number): string => JSON.stringify({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: token, progress: done } })
  const answer = recordOf(params['arguments'])['asks'] === true ? await ask('roots/list', {}, [progress(1)]) : {}
  return { result: text(JSON.stringify(answer)), beside: [progress(2), progress(3)] }
}

/** One message, or the last of an array. */
export function inArray(last: string, beside?: readonly string[]): string {
  return beside === undefined ? last : `[${[...beside, last].join(',')}]`
}

/** The response as it goes over the wire. */
export function fixtureResponse(era: FixtureEra, idText: string, answer: FixtureAnswer): string {
  if ('error' in answer) return `{"jsonrpc":"2.0","id":${idText},"error":${JSON.stringify(answer.error)}}`
  const type = era === 'modern' && !answer.result.includes('"resultType"') ? '"resultType":"complete"' : ''
  return `{"jsonrpc":"2.0","id":${idText},"result":{${[type, answer.result].filter((part) => part !== '').join(',')}}}`
}

/** What a request of 2026-07-28 declares. */
export const declaredIn = (params: Json): Json => recordOf(recordOf(params['_meta'])['io.modelcontextprotocol/clientCapabilities'])

/** A notification that nobody knows leaves a file, by its key. */
export function noteVendor(notesPath: string, method: string | undefined, params: Json | undefined): void {
  if (method === 'notifications/vendor/moved') appendFileSync(join(notesPath, String(params?.['key'])), JSON.stringify(params?.['to']))
}
