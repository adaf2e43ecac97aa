/** A legacy server asks a modern client in the middle of a call: the call is parked, the retry takes it up (bridge-rulings §4, Input, M→L). */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { codeOf, messageOf, modern, modernRequest, openStream } from './mcp-client.ts'
import type { Answer } from './http-rig.ts'

type Json = Record<string, unknown>
const ALL = { elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: {} }
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
}

/** What the server's tool does: asks, and waits for answers. */
type Script = (ask: (method: string, params?: object) => Promise<Json>, call: ActorCall) => Promise<object | void>

async function play(script: Script, options: Partial<RigOptions> = {}, ids = { next: 0 }): Promise<Scene> {
  const act: Act = (call) => {
    const ask = async (method: string, params: object = {}): Promise<Json> => {
      const id = `q${(ids.next += 1)}`
      call.send({ id, method, params })
      let answer: Json | undefined
      await until(() => (answer = actor.requests.map(({ json }) => json as unknown as Json).find((one) => one['id'] === id && one['method'] === undefined)) !== undefined)
      return answer ?? {}
    }
    void script(ask, call).then((result) => result !== undefined && call.answer(result), () => undefined)
  }
  const actor: Actor = closeAfter(await startActor(['legacy'], { ask: act }))
  const rig = await startRig({ servers: { actor: http(actor.url) }, ...options })
  return { rig, actor }
}

interface Retry {
  readonly token?: string
  readonly args?: object
  readonly id?: number
  readonly capabilities?: object
}

function call({ rig }: Scene, more: object = {}, { token = 'alice', args = {}, id = 1, capabilities = ALL }: Retry = {}): Promise<Answer> {
  const meta = { 'io.modelcontextprotocol/clientCapabilities': capabilities }
  return modern(rig.port, 'tools/call', { name: 'ask', arguments: args, ...more }, { path: '/actor/mcp', token, id, meta })
}

const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json
const asked = (answer: Answer): [string, Json][] => Object.entries(resultOf(answer)['inputRequests'] ?? {}) as [string, Json][]
const stateOf = (answer: Answer): string => String(resultOf(answer)['requestState'])
const accept = { action: 'accept', content: { name: 'Ann' } }

/** Answers every question of a round with `reply`. */
function retry(scene: Scene, round: Answer, reply: (request: Json) => unknown, how: Retry = {}): Promise<Answer> {
  const inputResponses = Object.fromEntries(asked(round).map(([key, request]) => [key, reply(request)]))
  return call(scene, { inputResponses, requestState: stateOf(round) }, { id: 2, ...how })
}

const calls = ({ actor }: Scene): number => actor.requests.filter(({ json }) => json.method === 'tools/call').length

describe('a modern client, asked by a legacy server', () => {
  it('gets the question as input_required, and its answer reaches the call that waits', async () => {
    const scene = await play(async (ask) => ({ content: [], got: (await ask('elicitation/create', FORM))['result'] }))
    const first = await call(scene)
    expect(resultOf(first)).toMatchObject({ resultType: 'input_required', inputRequests: { 'input-1': { method: 'elicitation/create', params: FORM } } })
    const second = await retry(scene, first, () => accept)
    expect(messageOf(second)).toMatchObject({ id: 2, result: { resultType: 'complete', got: accept } })
    expect(calls(scene)).toBe(1)
    const initialize = scene.actor.requests.find(({ json }) => json.method === 'initialize' && JSON.stringify(json.params?.['capabilities']) !== '{}')
    expect(initialize?.json.params?.['capabilities']).toEqual({ elicitation: { form: {}, url: {} }, sampling: { tools: {} }, roots: { listChanged: true } })
    expect((await scene.rig.settled()).filter(({ method }) => method === 'tools/call').map(({ outcome }) => outcome)).toEqual(['inputRequired', 'answered'])
  })

  it('gets what is asked within 50 ms as one round, and the rest as the next', async () => {
    const scene = await play(async (ask) => {
      const together = await Promise.all([ask('elicitation/create', FORM), ask('roots/list')])
      const later = await ask('sampling/createMessage', { messages: [], maxTokens: 1 })
      return { all: [...together, later].map(({ result }) => result) }
    })
    const first = await call(scene)
    expect(asked(first).map(([, { method }]) => method)).toEqual(['elicitation/create', 'roots/list'])
    const second = await retry(scene, first, ({ method }) => (method === 'roots/list' ? { roots: [] } : accept))
    expect(asked(second).map(([, { method }]) => method)).toEqual(['sampling/createMessage'])
    const text = { role: 'assistant', content: { type: 'text', text: 'hi' }, model: 'm' }
    const third = await retry(scene, second, () => text, { id: 3 })
    expect(resultOf(third)['all']).toEqual([accept, { roots: [] }, text])
    expect(calls(scene)).toBe(1)
  })

  it('is asked again for what is missing, and what nobody asked for is ignored', async () => {
    const scene = await play(async (ask) => ({ all: (await Promise.all([ask('elicitation/create', FORM), ask('roots/list')])).map(({ result }) => result) }))
    const first = await call(scene)
    const second = await call(scene, { requestState: stateOf(first), inputResponses: { 'input-1': accept, other: { x: 1 } } }, { id: 2 })
    expect(asked(second)).toEqual([['input-2', { method: 'roots/list', params: {} }]])
    const third = await retry(scene, second, () => ({ roots: [] }), { id: 3 })
    expect(resultOf(third)['all']).toEqual([accept, { roots: [] }])
  })

  it('cannot use a state twice, with other arguments, or another\'s', async () => {
    const scene = await play(async (ask) => ({ got: (await ask('elicitation/create', FORM))['result'] }))
    const first = await call(scene, {}, { args: { a: 1, b: [1.0] } })
    for (const wrong of [{ args: { a: 2 } }, { args: { a: 1, b: [1] }, token: 'bob' }]) {
      expect(codeOf(await retry(scene, first, () => accept, wrong))).not.toBe(0)
    }
    expect(codeOf(await call(scene, { requestState: stateOf(first), inputResponses: [] }, { args: { b: [1], a: 1 } }))).toBe(-32_602)
    expect(resultOf(await retry(scene, first, () => accept, { args: { b: [1], a: 1 } }))['got']).toEqual(accept)
    expect(codeOf(await retry(scene, first, () => accept, { args: { a: 1, b: [1] } }))).not.toBe(0)
    expect(calls(scene)).toBe(1)
  })

  it('that is not back in time has its call cancelled at the server', async () => {
    const scene = await play(async (ask) => ({ got: await ask('elicitation/create', FORM) }), { limits: { requestStateMs: 300 } })
    const first = await call(scene)
    await until(() => scene.actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    expect(codeOf(await retry(scene, first, () => accept))).not.toBe(0)
    expect(calls(scene)).toBe(1)
  })

  it('gets what came while it was away: the answer, or what became of the call', async () => {
    const scene = await play(async (ask, { args, response }) => {
      void ask('elicitation/create', FORM)
      await sleep(150)
      if (args['breaks'] === true) return void response.destroy()
      return { done: 'without you' }
    })
    const first = await call(scene)
    await sleep(200)
    expect(resultOf(await retry(scene, first, () => accept))).toMatchObject({ resultType: 'complete', done: 'without you' })
    const second = await call(scene, {}, { args: { breaks: true } })
    await sleep(200)
    expect(codeOf(await retry(scene, second, () => accept, { args: { breaks: true } }))).toBe(-31_024)
    expect(calls(scene)).toBe(2)
  })

  it('gets progress under the token of its retry, and has cancelled the call when it goes away then', async () => {
    const scene = await play(async (ask, { progress }) => {
      await ask('elicitation/create', FORM)
      progress(1)
      return new Promise<void>(() => undefined)
    })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': ALL }
    const path = '/actor/mcp'
    const first = await modern(scene.rig.port, 'tools/call', { name: 'ask' }, { path, meta: { ...meta, progressToken: 'p1' } })
    const params = { name: 'ask', requestState: stateOf(first), inputResponses: { 'input-1': accept } }
    const stream = await openStream(scene.rig.port, modernRequest('tools/call', params, { path, id: 2, meta: { ...meta, progressToken: 'p2' } }))
    expect(await stream.count(1)).toMatchObject([{ method: 'notifications/progress', params: { progressToken: 'p2', progress: 1 } }])
    stream.drop()
    await until(() => scene.actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    expect((await scene.rig.settled()).at(-1)).toMatchObject({ outcome: 'disconnected' })
  })

  it('has parallel calls that never mix, each in a session of its own', async () => {
    const scene = await play(async (ask, { args }) => ({ n: args['n'], got: (await ask('elicitation/create', { ...FORM, message: String(args['n']) }))['result'] }))
    const rounds = await Promise.all(Array.from({ length: 6 }, (_, n) => call(scene, {}, { args: { n }, id: n })))
    expect(rounds.flatMap((round) => asked(round).map(([, { params }]) => (params as Json)['message']))).toEqual(['0', '1', '2', '3', '4', '5'])
    const answers = await Promise.all(
      rounds.map((round, n) => retry(scene, round, ({ params }) => ({ action: 'accept', content: { m: (params as Json)['message'] } }), { args: { n }, id: 10 + n })),
    )
    expect(answers.map((answer) => resultOf(answer))).toMatchObject(Array.from({ length: 6 }, (_, n) => ({ n, got: { content: { m: String(n) } } })))
    const sessions = new Set(scene.actor.requests.filter(({ json }) => json.method === 'tools/call').map(({ headers }) => headers['mcp-session-id']))
    expect(sessions.size).toBe(6)
    // What was given back is used again.
    expect(resultOf(await retry(scene, await call(scene, {}, { args: { n: 7 } }), () => accept, { args: { n: 7 } }))).toMatchObject({ n: 7 })
    expect(new Set(scene.actor.requests.map(({ headers }) => headers['mcp-session-id'])).size).toBeLessThanOrEqual(8)
  })

  it('is never asked for what it did not declare', async () => {
    const scene = await play(async (ask) => ({ got: [await ask('sampling/createMessage', { messages: [] }), await ask('elicitation/create', { ...FORM, mode: 'url', url: 'https://a.example' })] }))
    const answer = await call(scene, {}, { capabilities: { elicitation: {} } })
    expect(resultOf(answer)).toMatchObject({ resultType: 'complete', got: [{ error: { code: -32_601 } }, { error: { code: -32_601 } }] })
  })

  it('visits a URL without an id, and is not told when the visit is over', async () => {
    const scene = await play(async (ask, { send }) => {
      const { result } = await ask('elicitation/create', { mode: 'url', message: 'Go', url: 'https://a.example/x', elicitationId: 'e' })
      send({ method: 'notifications/elicitation/complete', params: { elicitationId: 'e' } })
      return { result }
    })
    const first = await call(scene)
    expect(asked(first)[0]?.[1]['params']).toEqual({ mode: 'url', message: 'Go', url: 'https://a.example/x' })
    const second = await retry(scene, first, () => ({ action: 'accept' }))
    expect(second.text).not.toContain('elicitation/complete')
    expect(resultOf(second)['result']).toEqual({ action: 'accept' })
  })

  it('is sent to the URLs of an error −32042, and then calls afresh', async () => {
    let visited = false
    const actor = closeAfter(
      await startActor(['legacy'], {
        ask({ id, response, answer }) {
          if (visited) return answer({ done: true })
          const error = { code: -32_042, message: 'visit', data: { elicitations: [{ mode: 'url', message: 'Go', url: 'https://a.example/x', elicitationId: 'e' }] } }
          response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, error }))
        },
      }),
    )
    const scene: Scene = { rig: await startRig({ servers: { actor: http(actor.url) } }), actor }
    const first = await call(scene)
    expect(asked(first)).toEqual([['visit-1', { method: 'elicitation/create', params: { mode: 'url', message: 'Go', url: 'https://a.example/x' } }]])
    visited = true
    expect(resultOf(await retry(scene, first, () => ({ action: 'accept' })))).toMatchObject({ done: true })
    visited = false
    const poor = await call(scene, {}, { capabilities: { elicitation: {} } })
    expect(messageOf(poor)['error']).toMatchObject({ code: -32_021, data: { requiredCapabilities: { elicitation: { url: {} } } } })
  })

  it('hears at its own level what the call logs', async () => {
    const scene = await play(async (_ask, { send }) => {
      send({ method: 'notifications/message', params: { level: 'debug', data: 'low' } })
      send({ method: 'notifications/message', params: { level: 'error', data: 'high' } })
      return {}
    })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': ALL, 'io.modelcontextprotocol/logLevel': 'warning' }
    const answer = await modern(scene.rig.port, 'tools/call', { name: 'ask', arguments: {} }, { path: '/actor/mcp', meta })
    expect([answer.text.includes('high'), answer.text.includes('low')]).toEqual([true, false])
    expect(scene.actor.requests.find(({ json }) => json.method === 'logging/setLevel')?.json.params).toEqual({ level: 'warning' })
  })

  it('whose roots differ from before is said to have other roots', async () => {
    const scene = await play(async (ask) => ({ got: (await ask('roots/list'))['result'] }))
    for (const roots of [[], [], [{ uri: 'file:///a' }]]) await retry(scene, await call(scene), () => ({ roots }))
    await until(() => scene.actor.requests.some(({ json }) => json.method === 'notifications/roots/list_changed'))
    expect(scene.actor.requests.filter(({ json }) => json.method === 'notifications/roots/list_changed')).toHaveLength(1)
  })
})
