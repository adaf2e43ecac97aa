/** Modern clients keep nothing at a replica but what cannot move: a call that waits for their input, a task between eras. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { closeAfter } from './gateway-rig.ts'
import { codeOf, messageOf, modern } from './mcp-client.ts'
import { startReplicas } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'
import { DECLARED, resultOf } from './task-rig.ts'

const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }
const CAPABILITIES = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } }
const answer = { action: 'accept', content: { name: 'Ann' } }

describe('a call that waits for its client', () => {
  async function play() {
    let runs = 0
    const ask: Act = (call) => {
      runs += 1
      call.send({ id: 'q', method: 'elicitation/create', params: FORM })
      void until(() => given() !== undefined).then(() => call.answer({ content: [], got: given() }), () => undefined)
    }
    const actor = closeAfter(await startActor(['legacy'], { ask }))
    const given = (): unknown => actor.requests.map(({ json }) => json as unknown as Record<string, unknown>).find((one) => one['id'] === 'q' && one['method'] === undefined)
    const { all } = await startReplicas(2, { servers: { actor: http(actor.url) } })
    const call = ({ port }: ReplicaRig, more: object = {}, token = 'alice') =>
      modern(port, 'tools/call', { name: 'actor__ask', arguments: {}, ...more }, { meta: CAPABILITIES, token })
    const [a, b] = all as [ReplicaRig, ReplicaRig]
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

  it('is nothing to anybody else, at no replica', async () => {
    const { a, b, call, retry } = await play()
    for (const replica of [a, b]) expect(codeOf(await call(replica, retry, 'bob'))).toBe(-32602)
  })

  it('is lost with its replica, and is not run again', async () => {
    const { a, b, call, retry, runs } = await play()
    await a.kill()
    expect(codeOf(await call(b, retry))).toBe(-31024)
    expect(runs()).toBe(1)
  })
})

describe('a task of a legacy server', () => {
  it('is seen and cancelled at any replica', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const { all } = await startReplicas(2, { servers: { actor: http(actor.url) } })
    const [a, b] = all as [ReplicaRig, ReplicaRig]
    const ask = async ({ port }: ReplicaRig, method: string, params: Record<string, unknown>): Promise<Record<string, unknown>> => {
      const headers: Record<string, string> = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
      return messageOf(await modern(port, method, params, { path: '/actor/mcp', meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED }, headers }))
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
