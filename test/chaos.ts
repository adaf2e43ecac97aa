/**
 * A workload with an oracle, for replicas that are killed, stopped, restarted or replaced under it. The server behind them is in the test's
 * own process, so that what was executed, how often and for whom is known and not believed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeededRandom } from '../src/adapters/memory/random.ts'
import type { Cluster } from './cluster.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { getRequest, legacyRequest, modernRequest, openStream } from './mcp-client.ts'
import type { Stream, WireRequest } from './mcp-client.ts'

type Json = Record<string, unknown>

export interface Tally {
  /** Calls by how they ended. */
  readonly ended: Record<'answered' | 'unknown' | 'refused' | 'cut', number>
  /** Of the refused ones, why. */
  readonly codes: Map<number, number>
  /** Everything that must not be, in words. */
  readonly wrong: string[]
  /** What was announced, by listeners: `told` each by itself, `twice` once more, or by `mayHaveChanged` all at once. */
  readonly news: { announced: number; told: number; twice: number; mayHaveChanged: number }
  /** The longest call, with all that its client did for its answer: resumed, and answered what it was asked. */
  longestMs: number
  /** The longest that one request, or one open stream, was without an answer, a message or an end. */
  longestQuiet: Quiet
}

export interface Quiet {
  readonly sinceMs: number
  readonly ms: number
  /** The replica that was asked, and for what. */
  readonly what: string
}

export const PATH = '/actor/mcp'
/** The resource that all legacy clients have subscribed to. */
export const WATCHED = 'test://one'
/** Nobody hangs for longer (design §7.9). */
export const LIMIT_MS = 5_000
/** And what a busy machine adds to it. */
export const HANG_MS = LIMIT_MS + 3_000
const CAPABILITIES = { elicitation: { form: {} } }
const FORM = { type: 'object', properties: {} }

/** How often each key was executed. */
export type Executions = Map<string, number>

/** Tools of the server: `count` runs and says for whom, `ask` asks its client first. */
export function actsOf(executions: Executions, actor: () => Actor): Record<string, Act> {
  const ran = ({ args }: Parameters<Act>[0]): string => {
    const key = String(args['key'])
    executions.set(key, (executions.get(key) ?? 0) + 1)
    return key
  }
  return {
    count: (call) => call.answer({ content: [], key: ran(call) }),
    ask(call) {
      const key = ran(call)
      call.send({ jsonrpc: '2.0', id: `q-${key}`, method: 'elicitation/create', params: { message: key, requestedSchema: FORM } })
      const look = async (): Promise<void> => {
        for (let tries = 0; tries < 400; tries += 1) {
          const answer = actor().requests.findLast(({ json }) => String(json.id) === `q-${key}` && json.method === undefined)?.json as Json | undefined
          if (answer !== undefined) return call.answer({ content: [], key, got: answer['result'] })
          await sleep(20)
        }
      }
      void look()
    },
  }
}

export interface Choice {
  pick<T>(among: readonly T[]): T
}

/** One legacy client: its session lives for as long as the workload does, whatever becomes of the replicas. */
export async function legacyWorker(name: string, session: string, work: Work): Promise<void> {
  const { cluster, tally, isOver } = work
  for (let count = 0; !isOver(); count += 1) {
    const key = `${name}-${count}`
    const tool = count % 3 === 0 ? 'ask' : 'count'
    const startedMs = performance.now()
    const request = legacyRequest(session, 'tools/call', { name: tool, arguments: { key } }, { id: count + 1, path: PATH, token: cluster.token, headers: STREAM })
    const response = await converse({ ...work, session, request, key })
    judge(tally, key, response, startedMs)
    await sleep(10)
  }
  const alive = await exchange(work, legacyRequest(session, 'ping', {}, { path: PATH, token: cluster.token }))
  if (alive?.status !== 200) tally.wrong.push(`the session of ${name} is gone: ${alive?.status}`)
}

export async function modernWorker(name: string, work: Work): Promise<void> {
  const { cluster, tally, isOver } = work
  for (let count = 0; !isOver(); count += 1) {
    const key = `${name}-${count}`
    const startedMs = performance.now()
    const stream = await exchange(work, modernRequest('tools/call', { name: 'count', arguments: { key } }, { path: PATH, token: cluster.token }))
    judge(tally, key, stream?.messages.at(-1), startedMs)
    await sleep(10)
  }
}

export interface Work {
  readonly cluster: Cluster
  readonly tally: Tally
  readonly choice: Choice
  readonly isOver: () => boolean
}

/** Official clients of 2025-11-25 prefer a stream here: it can be resumed. */
const STREAM = { accept: 'text/event-stream, application/json' }

function judge(tally: Tally, key: string, response: Json | undefined, startedMs: number): void {
  const tookMs = performance.now() - startedMs
  tally.longestMs = Math.max(tally.longestMs, tookMs)
  if (tookMs > HANG_MS) tally.wrong.push(`${key} took ${Math.round(tookMs)} ms`)
  if (response === undefined) return void (tally.ended.cut += 1)
  const error = response['error'] as { code: number; message: string } | undefined
  const result = response['result'] as Json | undefined
  if (error === undefined && result?.['key'] !== key) tally.wrong.push(`${key} was answered ${JSON.stringify(response)}`)
  if (error?.code === -32001) tally.wrong.push(`${key}: its session is gone`)
  const kind = error === undefined ? 'answered' : error.code === -31024 ? 'unknown' : 'refused'
  tally.ended[kind] += 1
  if (error !== undefined && kind === 'refused') tally.codes.set(error.code, (tally.codes.get(error.code) ?? 0) + 1)
}

/** What is known of `executions` at the end: nothing ran twice, and what was answered ran. */
export function judgeExecutions(tally: Tally, executions: Executions): void {
  for (const [key, count] of executions) if (count > 1) tally.wrong.push(`${key} ran ${count} times`)
  const ran = [...executions.values()].length
  if (ran < tally.ended.answered) tally.wrong.push(`${tally.ended.answered} were answered, ${ran} ran`)
}

/** A session that has asked to hear of a resource. */
export async function openSession(name: string, work: Work): Promise<string> {
  const { cluster } = work
  const params = { protocolVersion: '2025-11-25', capabilities: CAPABILITIES, clientInfo: { name, version: '1' } }
  const opened = await exchange(work, legacyRequest('', 'initialize', params, { path: PATH, token: cluster.token }))
  const session = opened?.headers['mcp-session-id']
  if (typeof session !== 'string') throw new Error(`initialize was answered ${opened?.status}`)
  await exchange(work, legacyRequest(session, '', {}, { path: PATH, token: cluster.token, body: '{"jsonrpc":"2.0","method":"notifications/initialized"}' }))
  await exchange(work, legacyRequest(session, 'resources/subscribe', { uri: WATCHED }, { path: PATH, token: cluster.token }))
  return session
}

interface Conversation extends Work {
  readonly session: string
  readonly request: WireRequest
  readonly key: string
}

interface Silence {
  /** Something was heard. */
  broken(): void
  /** It is the client's turn: what passes is not counted. */
  excused(): void
}

/** Counts from now how long nothing is heard. */
function startSilence(tally: Tally, what: string): Silence {
  let sinceMs = performance.now()
  return {
    broken() {
      const nowMs = performance.now()
      if (nowMs - sinceMs > tally.longestQuiet.ms) tally.longestQuiet = { sinceMs, ms: Math.round(nowMs - sinceMs), what }
      sinceMs = nowMs
    },
    excused: () => void (sinceMs = performance.now()),
  }
}

/** The response, as an official client gets it: it answers what it is asked, and resumes a stream that breaks. */
async function converse(work: Conversation): Promise<Json | undefined> {
  const { cluster, session, request, key, tally } = work
  const answered = new Set<unknown>()
  const answering = new Set<unknown>()
  const endMs = performance.now() + HANG_MS
  let stream = await connect(work, request)
  let [silence, heard] = [startSilence(tally, `the stream of ${key}`), 0]
  let lastId = ''
  while (stream !== undefined && performance.now() < endMs) {
    if (answering.size > 0) silence.excused()
    else if (stream.events.length > heard || stream.ended) silence.broken()
    heard = stream.events.length
    const response = stream.all().find((message) => message['method'] === undefined)
    if (response !== undefined) {
      stream.drop()
      return response
    }
    for (const asked of stream.messages()) {
      if (asked['method'] !== 'elicitation/create' || answered.has(asked['id'])) continue
      answered.add(asked['id'])
      answering.add(asked['id'])
      void answer(work, asked, key).finally(() => answering.delete(asked['id']))
    }
    lastId = stream.events.findLast(({ id }) => id !== '')?.id ?? lastId
    if (stream.ended) {
      if (lastId === '') return undefined
      await sleep(50)
      stream = await connect(work, getRequest(session, { 'last-event-id': lastId, authorization: `Bearer ${cluster.token}` }, PATH))
      ;[silence, heard] = [startSilence(tally, `the resumed stream of ${key}`), 0]
    }
    await sleep(10)
  }
  silence.broken()
  return undefined
}

async function answer(work: Conversation, asked: Json, key: string): Promise<void> {
  const { cluster, session, tally } = work
  const { message } = asked['params'] as { message: string }
  if (message !== key) tally.wrong.push(`the client of ${key} was asked about ${message}`)
  const body = JSON.stringify({ jsonrpc: '2.0', id: asked['id'], result: { action: 'accept', content: {} } })
  // A broken connection does not say whether the answer arrived; a second one is ignored.
  for (let tries = 0; tries < 5; tries += 1) {
    if ((await exchange(work, legacyRequest(session, '', {}, { path: PATH, token: cluster.token, body })))?.status === 202) return
    await sleep(100)
  }
}

interface Whole {
  readonly status: number
  readonly headers: Stream['headers']
  readonly messages: readonly Json[]
}

/** The whole answer; undefined where the connection broke, which only a request that may be repeated survives. */
async function exchange(work: Work, request: WireRequest): Promise<Whole | undefined> {
  const stream = await connect(work, request)
  if (stream === undefined) return undefined
  const silence = startSilence(work.tally, `the answer to ${whatOf(request)}`)
  for (const endMs = performance.now() + HANG_MS; !stream.ended && performance.now() < endMs; ) await sleep(5)
  silence.broken()
  return { status: stream.status, headers: stream.headers, messages: stream.all() }
}

interface Answered extends Stream {
  /** Of a stream, or of one JSON text that is complete. */
  all(): readonly Json[]
}

function answered(stream: Stream): Answered {
  const isJson = String(stream.headers['content-type']).startsWith('application/json')
  const all = (): readonly Json[] => (!isJson ? stream.messages() : stream.incoming.complete ? [JSON.parse(stream.text()) as Json] : [])
  return Object.assign(Object.create(stream) as Stream, { all })
}

/** As a balancer: where nobody accepts, the next one is asked; what was sent is not sent again. */
export async function connect({ cluster: { members }, choice, tally }: Work, request: WireRequest): Promise<Answered | undefined> {
  const first = choice.pick(members)
  for (const member of [first, ...members.filter((one) => one !== first)]) {
    const silence = startSilence(tally, `${whatOf(request)} at replica ${members.indexOf(member)}`)
    try {
      return answered(await openStream(member.port, request))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') return undefined
    } finally {
      silence.broken()
    }
  }
  return undefined
}

function whatOf({ verb, body }: WireRequest): string {
  return `${verb} ${/"method":"([^"]+)"/.exec(body)?.[1] ?? 'response'}`
}

export function newTally(): Tally {
  return { ended: { answered: 0, unknown: 0, refused: 0, cut: 0 }, codes: new Map(), wrong: [], news: { announced: 0, told: 0, twice: 0, mayHaveChanged: 0 }, longestMs: 0, longestQuiet: { sinceMs: 0, ms: 0, what: '' } }
}

export function choiceOf(seed: number): Choice {
  const random = createSeededRandom(seed)
  return {
    pick(among) {
      const picked = among[Math.floor(random.fraction() * among.length)]
      if (picked === undefined) throw new TypeError('nothing to pick from')
      return picked
    },
  }
}
