/** Modern clients keep nothing at a replica but what cannot move: a call that waits for their input, a task between eras, what a child made. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import type { StdioServer } from '../src/core/gateway/snapshot.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import { META } from '../src/protocol/meta.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter } from './gateway-rig.ts'
import { codeOf, messageOf, modern } from './mcp-client.ts'
import { REFERENCE_SERVER_COMMAND } from './reference-server-process.ts'
import { startTwo } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'
import { DECLARED, resultOf } from './task-rig.ts'

const FIXTURE = fileURLToPath(new URL('matrix/fixture-stdio.ts', import.meta.url))
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }
const answer = { action: 'accept', content: { name: 'Ann' } }

describe('a call that waits for its client', () => {
  /** `capabilities`: with tasks, its tool is one whose calls become tasks where they take long. */
  async function play(capabilities: object = {}) {
    let runs = 0
    const ask: Act = (call) => {
      runs += 1
      call.send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => given() !== undefined).then(() => call.answer({ content: [], got: given() }), () => undefined)
    }
    const actor = closeAfter(await startActor(['legacy'], { ask }))
    const given = (): unknown => actor.requests.map(({ json }) => json as unknown as Record<string, unknown>).find((one) => one['id'] === 'q' && one['method'] === undefined)
    const tasks = [{ pattern: '*', mode: 'auto', afterMs: 10_000, terms: TERMS }] as const
    const [a, b] = await startTwo({ servers: { actor: http(actor.url) }, server: { tasks }, deps: { tasks: { store: createTaskStore(createSystemClock()), sha256 } } })
    const meta = { [META.clientCapabilities]: { elicitation: { form: {} }, ...capabilities } }
    const call = ({ port }: ReplicaRig, more: object = {}, token = 'alice') => modern(port, 'tools/call', { name: 'actor__ask', arguments: {}, ...more }, { meta, token })
    const asked = resultOf(await call(a))
    expect(asked['resultType']).toBe('input_required')
    const retry = { inputResponses: { 'input-1': answer }, requestState: asked['requestState'] }
    return { a, b, call, retry, runs: () => runs }
  }

  it('is taken up by the retry at any replica, once', async () => {
    const { a, b, call, retry, runs } = await play()
    expect(resultOf(await call(b, retry))).toMatchObject({ resultType: 'complete', got: { result: answer } })
    expect(codeOf(await call(b, retry))).toBe(-31024)
    expect(runs()).toBe(1)
    expect([...(await a.settled()), ...(await b.settled())].filter(({ outcome }) => outcome === 'answered')).toHaveLength(1)
  })

  it('is taken up so by a client that takes tasks, too, of a tool whose calls may become some', async () => {
    const { b, call, retry, runs } = await play(DECLARED)
    expect(resultOf(await call(b, retry))).toMatchObject({ resultType: 'complete', got: { result: answer } })
    expect(runs()).toBe(1)
  })

  it('is nothing to anybody else, at no replica', async () => {
    const { a, b, call, retry } = await play()
    for (const replica of [a, b]) expect(codeOf(await call(replica, retry, 'bob'))).toBe(-32602)
  })

  it.each<[string, (replica: ReplicaRig) => Promise<unknown>]>([
    ['a crash', (replica) => replica.kill()],
    ['a drain', (replica) => replica.gateway.drain(1_000).then(() => replica.gateway.close())],
  ])('is lost with its replica by %s, and is not run again', async (_way, end) => {
    const { a, b, call, retry, runs } = await play()
    await end(a)
    expect(codeOf(await call(b, retry))).toBe(-31024)
    expect(runs()).toBe(1)
  })
})

describe('a durable task that waits for input with its call open', () => {
  async function play() {
    let runs = 0
    const answers = (): unknown => actor.requests.map(({ json }) => json as unknown as Record<string, unknown>).find((one) => one['id'] === 'q' && one['method'] === undefined)
    const ask: Act = (call) => {
      runs += 1
      call.send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => answers() !== undefined).then(() => call.answer({ content: [], got: answers() }), () => undefined)
    }
    const actor = closeAfter(await startActor(['legacy'], { ask }))
    const inner = createTaskStore(createSystemClock())
    const slow = { ms: 0 }
    // The replica that has the call, however busy it is.
    const store: TaskStore = { ...inner, claim: async (claim) => (claim.holder === 'r0' && (await sleep(slow.ms)), inner.claim(claim)) }
    const tasks = [{ pattern: '*', mode: 'always', afterMs: 10_000, terms: TERMS }] as const
    const [a, b] = await startTwo({ servers: { actor: http(actor.url) }, server: { tasks }, deps: { tasks: { store, sha256 } } })
    const meta = { [META.clientCapabilities]: { elicitation: { form: {} }, ...DECLARED } }
    const send = async ({ port }: ReplicaRig, method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const headers: Record<string, string> = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
      return resultOf(await modern(port, method, params, { meta, headers }))
    }
    const { taskId } = await send(a, 'tools/call', { name: 'actor__ask', arguments: {} })
    await expect.poll(() => send(b, 'tasks/get', { taskId })).toMatchObject({ status: 'input_required' })
    const { inputRequests } = await send(b, 'tasks/get', { taskId })
    const give = () => send(b, 'tasks/update', { taskId, inputResponses: Object.fromEntries(Object.keys(inputRequests as object).map((key) => [key, answer])) })
    return { a, b, slow, give, get: () => send(b, 'tasks/get', { taskId }), runs: () => runs }
  }

  it('goes on with it where it is open, however long its replica takes', async () => {
    const { slow, give, get, runs } = await play()
    slow.ms = 1_500
    await give()
    await expect.poll(get, { interval: 100 }).toMatchObject({ status: 'completed', result: { got: { result: answer } } })
    expect(runs()).toBe(1)
  })

  it('is lost with its replica, as a call of unknown outcome, and is not run again', async () => {
    const { a, slow, give, get, runs } = await play()
    slow.ms = 10_000
    await a.kill()
    await give()
    await expect.poll(get, { interval: 100 }).toMatchObject({ status: 'failed', error: { code: -31_024 } })
    expect(runs()).toBe(1)
  })
})

describe('a task of a legacy server', () => {
  it('is seen and cancelled at any replica', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const [a, b] = await startTwo({ servers: { actor: http(actor.url) } })
    const ask = async ({ port }: ReplicaRig, method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const headers: Record<string, string> = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
      return messageOf(await modern(port, method, params, { path: '/actor/mcp', meta: { [META.clientCapabilities]: DECLARED }, headers }))
    }
    const made = (await ask(a, 'tools/call', { name: 'slow', arguments: {} }))['result'] as { taskId: string }
    const { taskId } = made
    expect(await ask(b, 'tasks/get', { taskId })).toMatchObject({ result: { taskId, status: 'working' } })
    await ask(b, 'tasks/cancel', { taskId })
    expect(await ask(a, 'tasks/get', { taskId })).toMatchObject({ result: { status: 'cancelled' } })
    await a.kill()
    expect(await ask(b, 'tasks/get', { taskId })).toMatchObject({ error: { code: -32602 } })
  })
})

describe('what the child of one replica made', () => {
  const child = (...args: string[]): StdioServer => ({ transport: 'stdio', command: process.execPath, args, env: {}, cwd: undefined })
  const post = async ({ port }: ReplicaRig, method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> => {
    const headers: Record<string, string> = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
    return messageOf(await modern(port, method, params, { path: '/child/mcp', meta: { [META.clientCapabilities]: DECLARED }, headers }))
  }

  async function play(...args: string[]): Promise<readonly [ReplicaRig, ReplicaRig]> {
    return startTwo({ servers: { child: child(...args) }, server: { era: 'modern' } })
  }

  it('comes back to it: a state', async () => {
    const [a, b] = await play(...REFERENCE_SERVER_COMMAND.args)
    const call = { name: 'test_input_required_result_state_only', arguments: {} }
    const first = (await post(a, 'tools/call', call))['result'] as { requestState: string }
    expect(first).toMatchObject({ resultType: 'input_required' })
    expect(await post(b, 'tools/call', { ...call, requestState: first.requestState })).toMatchObject({ result: { resultType: 'complete' } })
  })

  it('comes back to it: a task, whose id is the same at each', async () => {
    const [a, b] = await play(FIXTURE, mkdtempSync(join(tmpdir(), 'portolan-child-')))
    const { taskId } = (await post(a, 'tools/call', { name: 'job', arguments: { milliseconds: 60_000 } }))['result'] as { taskId: string }
    expect(await post(b, 'tasks/get', { taskId })).toMatchObject({ result: { taskId, status: 'working' } })
    await post(b, 'tasks/cancel', { taskId })
    expect(await post(a, 'tasks/get', { taskId })).toMatchObject({ result: { taskId, status: 'cancelled' } })
  })

  it('is asked of the child here once its replica is gone, which says that it knows nothing', async () => {
    const [a, b] = await play(FIXTURE, mkdtempSync(join(tmpdir(), 'portolan-child-')))
    const { taskId } = (await post(a, 'tools/call', { name: 'job', arguments: { milliseconds: 60_000 } }))['result'] as { taskId: string }
    await a.kill()
    expect(await post(b, 'tasks/get', { taskId })).toMatchObject({ error: { code: -32602 } })
  })
})
