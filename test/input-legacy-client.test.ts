/** A modern server asks a legacy client for input: requests on the call's own stream, answers as the retry (bridge-rulings §4, Input, L→M). */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { legacy, legacyRequest, messageOf, openSession, openStream } from './mcp-client.ts'

type Json = Record<string, unknown>
const FORM = { method: 'elicitation/create', params: { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } } }
const URL_MODE = { method: 'elicitation/create', params: { mode: 'url', message: 'Go there', url: 'https://a.example/x' } }
const SAMPLING = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } }
const ROOTS = { method: 'roots/list' }
const ALL = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} }

const paramsOf = (call: ActorCall): Json => (call.request.json.params ?? {}) as Json
const required = (inputRequests: object | undefined, requestState?: string): Json => ({
  resultType: 'input_required', content: undefined, ...(inputRequests && { inputRequests }), ...(requestState !== undefined && { requestState }),
})

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
  readonly session: string
  calls(): Json[]
}

async function play(act: Act, opened: Parameters<typeof openSession>[1] = {}): Promise<Scene> {
  const actor = closeAfter(await startActor(['modern'], { ask: act }))
  const rig = await startRig({ servers: { actor: http(actor.url) } })
  const session = await openSession(rig.port, { path: '/actor/mcp', capabilities: ALL, ...opened })
  return { rig, actor, session, calls: () => actor.requests.filter(({ json }) => json.method === 'tools/call').map(({ json }) => json as unknown as Json) }
}

/** Asks, and answers what it is asked with `reply`; undefined leaves a question open. Resolves with everything that came on the stream. */
async function converse({ rig, session }: Scene, reply: (request: Json) => Json | undefined, id = 1, args: object = {}): Promise<Json[]> {
  const stream = await openStream(rig.port, legacyRequest(session, 'tools/call', { name: 'ask', arguments: args }, { path: '/actor/mcp', id }))
  const seen = new Set<unknown>()
  await until(() => {
    for (const message of stream.messages()) {
      if (typeof message['method'] !== 'string' || message['id'] === undefined || seen.has(message['id'])) continue
      seen.add(message['id'])
      const answer = reply(message)
      if (answer !== undefined) void legacy(rig.port, session, '', {}, { path: '/actor/mcp', body: JSON.stringify({ jsonrpc: '2.0', id: message['id'], ...answer }) })
    }
    return stream.ended
  })
  return stream.messages()
}

/** The answer to a call for which nobody is asked anything. */
async function callOnly({ rig, session }: Scene): Promise<Json> {
  return messageOf(await legacy(rig.port, session, 'tools/call', { name: 'ask' }, { path: '/actor/mcp' }))
}

const declaredBy = (call: Json | undefined): unknown => {
  const params = call?.['params'] as { _meta: Json } | undefined
  return params?._meta['io.modelcontextprotocol/clientCapabilities']
}

const accept = { result: { action: 'accept', content: { name: 'Ann' } } }
const last = (messages: Json[]): Json => messages.at(-1) ?? {}

describe('a legacy client, asked by a modern server', () => {
  it('gets a form as a request, and its answer is the retry with the state and another id', async () => {
    const scene = await play((call) => call.answer(paramsOf(call)['inputResponses'] === undefined ? required({ who: FORM }, 'state 1') : { content: [{ type: 'text', text: 'done' }] }))
    const messages = await converse(scene, () => accept)
    expect(messages[0]).toMatchObject({ method: 'elicitation/create', params: FORM.params })
    expect(last(messages)).toMatchObject({ id: 1, result: { content: [{ type: 'text', text: 'done' }] } })
    const [first, second] = scene.calls()
    expect(second?.['params']).toMatchObject({ name: 'ask', inputResponses: { who: accept.result }, requestState: 'state 1' })
    expect(second?.['id']).not.toBe(first?.['id'])
    expect(declaredBy(first)).toEqual({ roots: {}, sampling: { tools: {} }, elicitation: { form: {}, url: {} } })
  })

  it('gets several questions at once, and may answer them in any order', async () => {
    const scene = await play((call) => call.answer(paramsOf(call)['inputResponses'] === undefined ? required({ a: FORM, b: SAMPLING, c: ROOTS }) : {}))
    const answers: Record<string, Json> = {
      'elicitation/create': { result: { action: 'decline' } },
      'sampling/createMessage': { result: { role: 'assistant', content: { type: 'text', text: '1e400' }, model: 'm' } },
      'roots/list': { result: { roots: [] } },
    }
    const held: Json[] = []
    const messages = await converse(scene, (request) => {
      held.push(request)
      if (held.length < 3) return undefined
      for (const { id, method } of held.slice(0, 2).toReversed()) {
        void legacy(scene.rig.port, scene.session, '', {}, { path: '/actor/mcp', body: JSON.stringify({ jsonrpc: '2.0', id, ...answers[String(method)] }) })
      }
      return answers[String(request['method'])]
    })
    expect(last(messages)).toMatchObject({ id: 1, result: {} })
    const retry = scene.calls().at(-1)?.['params'] as Json
    expect(retry['inputResponses']).toEqual({ a: { action: 'decline' }, b: answers['sampling/createMessage']?.['result'], c: { roots: [] } })
    expect(retry).not.toHaveProperty('requestState')
  })

  it('is asked round after round, each with the state of its own', async () => {
    let round = 0
    const scene = await play((call) => call.answer((round += 1) <= 3 ? required({ [`q${round}`]: FORM }, `s${round}`) : {}))
    await converse(scene, () => accept)
    expect(scene.calls().map(({ params }) => [(params as Json)['requestState'], Object.keys(((params as Json)['inputResponses'] ?? {}) as object)])).toEqual([
      [undefined, []], ['s1', ['q1']], ['s2', ['q2']], ['s3', ['q3']],
    ])
  })

  it('agrees to visit a URL once, under an id of its own, however often the server asks', async () => {
    let round = 0
    const scene = await play((call) => call.answer((round += 1) <= 3 ? required({ go: URL_MODE }, 's') : {}))
    const asked: Json[] = []
    await converse(scene, (request) => {
      asked.push(request)
      return { result: { action: 'accept' } }
    })
    expect(asked).toHaveLength(1)
    expect(asked[0]?.['params']).toMatchObject({ url: URL_MODE.params.url, elicitationId: expect.stringMatching(/.{8,}/) as unknown })
    expect(scene.calls().slice(1).map(({ params }) => (params as Json)['inputResponses'])).toEqual([{ go: { action: 'accept' } }, { go: { action: 'accept' } }, { go: { action: 'accept' } }])
  })

  it('leads no server in a circle that asks for nothing but visits: rounds are further and further apart', async () => {
    let round = 0
    const scene = await play((call) => call.answer((round += 1) <= 3 ? required({ go: { ...URL_MODE, params: { ...URL_MODE.params, url: `https://a.example/${round}` } } }, 's') : {}))
    const beganAtMs = performance.now()
    await converse(scene, () => ({ result: { action: 'accept' } }))
    expect(scene.calls()).toHaveLength(4)
    // 250, 500 and 1,000 ms.
    expect(performance.now() - beganAtMs).toBeGreaterThan(1_700)
  })

  it('that declined to visit a URL has not agreed to, whatever else its answer holds', async () => {
    let round = 0
    const scene = await play((call) => call.answer((round += 1) <= 2 ? required({ go: URL_MODE }, 's') : {}))
    const asked: Json[] = []
    await converse(scene, (request) => {
      asked.push(request)
      return { result: { action: 'decline', content: { action: 'accept' } } }
    })
    expect(asked).toHaveLength(2)
  })

  it('is not asked where the server only needs its state again', async () => {
    const scene = await play((call) => call.answer(paramsOf(call)['requestState'] === undefined ? required(undefined, 'only') : {}))
    expect(await callOnly(scene)).toMatchObject({ id: 1, result: {} })
    expect(scene.calls().at(-1)?.['params']).not.toHaveProperty('inputResponses')
  })

  it('is never asked for what it did not declare', async () => {
    const scene = await play((call) => call.answer(required({ a: URL_MODE })), { revision: '2025-06-18', capabilities: { elicitation: {} } })
    expect(await callOnly(scene)).toMatchObject({ id: 1, error: { code: -31_022 } })
    expect(declaredBy(scene.calls()[0])).toEqual({ elicitation: {} })
  })

  it('of 2025-06-18 gets a form without a mode', async () => {
    const scene = await play((call) => call.answer(paramsOf(call)['inputResponses'] === undefined ? required({ a: FORM }) : {}), { revision: '2025-06-18', capabilities: { elicitation: {} } })
    const messages = await converse(scene, () => accept)
    expect(messages[0]?.['params']).not.toHaveProperty('mode')
    expect(last(messages)).toHaveProperty('result')
  })

  it('that answers with an error ends the call, and its other questions are withdrawn', async () => {
    const scene = await play((call) => call.answer(required({ a: FORM, b: ROOTS })))
    const messages = await converse(scene, ({ method }) => (method === 'roots/list' ? { error: { code: -32_603, message: 'no' } } : undefined))
    const form = messages.find(({ method }) => method === 'elicitation/create')
    expect(messages.find(({ method }) => method === 'notifications/cancelled')).toMatchObject({ params: { requestId: form?.['id'] } })
    expect(last(messages)).toMatchObject({ id: 1, error: { code: -31_025 } })
    expect(scene.calls()).toHaveLength(1)
  })

  it('that cancels its call is asked no more, and nothing runs at the server', async () => {
    const scene = await play((call) => call.answer(required({ a: FORM })))
    const messages = await converse(scene, () => {
      void legacy(scene.rig.port, scene.session, '', {}, { path: '/actor/mcp', body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}' })
      return undefined
    })
    expect(messages.map(({ method }) => method)).toEqual(['elicitation/create', 'notifications/cancelled'])
    expect((await scene.rig.settled()).at(-1)).toMatchObject({ outcome: 'accepted' })
    expect(scene.calls()).toHaveLength(1)
  })

  it('is not asked for ever', async () => {
    const scene = await play((call) => call.answer(required({ a: FORM })))
    expect(last(await converse(scene, () => accept))).toMatchObject({ id: 1, error: { code: -31_025 } })
    expect(scene.calls().length).toBeLessThan(100)
  })

  it('has the answers of parallel calls kept apart', async () => {
    const scene = await play((call) => call.answer(paramsOf(call)['inputResponses'] === undefined ? required({ a: { ...FORM, params: { ...FORM.params, message: String(call.args['n']) } } }) : { echo: paramsOf(call)['inputResponses'] }))
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, n) => converse(scene, ({ params }) => ({ result: { action: 'accept', content: { n: (params as Json)['message'] } } }), n + 1, { n })),
    )
    for (const [n, messages] of answers.entries()) {
      expect(last(messages)).toMatchObject({ id: n + 1, result: { echo: { a: { content: { n: String(n) } } } } })
    }
  })
})
