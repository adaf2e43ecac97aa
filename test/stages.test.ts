/** Stages of others: what they see, what they may, and that they can break nothing. */
import { describe, expect, it } from 'vitest'
import type { CustomStage, ExchangeEnd, StageExchange, StageVerdict } from '../src/core/gateway/custom-stage.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { rawClient } from './http-rig.ts'
import { codeOf, legacy, messageOf, modern, modernRequest, openSession, wireText } from './mcp-client.ts'

async function start(...stages: readonly Partial<CustomStage>[]): Promise<{ rig: Rig; called: () => number }> {
  const actor = closeAfter(await startActor(['modern', 'legacy']))
  const named = stages.map((stage, index) => ({ name: `s${index}`, run: () => undefined, ...stage }))
  const rig = await startRig({ servers: { a: http(actor.url) }, deps: { stages: named } })
  return { rig, called: () => actor.requests.filter(({ json }) => json.method === 'tools/call').length }
}

const call = (rig: Rig, more: object = {}) => modern(rig.port, 'tools/call', { name: 'a__echo', arguments: { x: 1 } }, more)

describe('a stage of somebody else', () => {
  it('sees who asks for what of which server, once for each message', async () => {
    const seen: StageExchange[] = []
    const { rig } = await start({ run: (exchange) => void seen.push(exchange) })
    await call(rig, { headers: { 'x-tenant': 'blue' } })
    const session = await openSession(rig.port)
    await legacy(rig.port, session, 'ping')
    expect(seen.map(({ method, kind, era }) => [method, kind, era])).toEqual([
      ['tools/call', 'request', 'modern'], ['initialize', 'request', 'legacy'], ['notifications/initialized', 'notification', 'legacy'], ['ping', 'request', 'legacy'],
    ])
    const [first] = seen
    expect(first).toMatchObject({ endpoint: '', transport: 'http', revision: '2026-07-28', server: { id: 'a', name: 'a' }, subject: 'echo', principal: { label: 'alice' } })
    expect(first?.body()).toMatchObject({ name: 'a__echo', arguments: { x: 1 } })
    expect(first?.header('x-tenant')).toBe('blue')
  })

  it('refuses with an error of the table in the form of the client\'s era, before the server hears of it', async () => {
    const refusal = { refuse: 'rate_limited', message: 'Come back later', data: { reason: 'quota' }, retryAfterSec: 7 } as const
    const { rig, called } = await start({ run: () => Promise.resolve(refusal) })
    const answer = await call(rig)
    expect([answer.status, answer.headers['retry-after'], messageOf(answer)['error']]).toEqual([429, '7', { code: -31_012, message: 'Come back later', data: { reason: 'quota' } }])
    expect(called()).toBe(0)
    expect((await rig.settled()).map(({ outcome, errorCode }) => [outcome, errorCode])).toEqual([['refused', 'rate_limited']])
  })

  it('stands behind the stage that it names; several stand in their order; the first refusal counts', async () => {
    const order: string[] = []
    const note = (name: string, verdict?: StageVerdict) => ({ name, run: ({ server }: StageExchange) => (order.push(`${name} ${server?.id ?? '-'}`), verdict) })
    const { rig } = await start(
      { ...note('last', { refuse: 'forbidden' }), after: 'credential' }, { ...note('first'), after: 'authenticate' }, note('second'), note('third'), { ...note('never'), after: 'credential' },
    )
    expect(codeOf(await call(rig))).toBe(-31_002)
    expect(order).toEqual(['first -', 'second a', 'third a', 'last a'])
  })

  it.each<[string, CustomStage['run']]>([
    ['throws', () => { throw new Error('secret detail') }],
    ['rejects', () => Promise.reject(new Error('secret detail'))],
    ['returns what is no refusal', () => true as unknown as undefined],
    ['names an error that there is not', () => ({ refuse: 'nope' }) as unknown as undefined],
    ['never answers', () => new Promise(() => undefined)],
  ])('that %s lets nobody through, tells the client nothing, and the log its name or reason', async (_what, run) => {
    const errors: string[] = []
    const actor = closeAfter(await startActor(['modern']))
    const rig = await startRig({
      servers: { a: http(actor.url) },
      deps: { stages: [{ name: 'mine', timeoutMs: 50, run }], log: ({ level, fields }) => void (level === 'error' && errors.push(String(fields?.['detail']))) },
    })
    const answer = await call(rig)
    expect([answer.status, messageOf(answer)['error']]).toEqual([500, { code: -32_603, message: 'Internal error' }])
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatch(/mine|secret detail/)
    expect(actor.requests.some(({ json }) => json.method === 'tools/call')).toBe(false)
    expect(await rig.settled()).toHaveLength(1)
  })

  it('learns once how each exchange ended, and a fault of its own there harms nothing', async () => {
    const ends: ExchangeEnd[] = []
    const watch = (exchange: StageExchange): void => {
      exchange.onFinished((end) => void ends.push(end))
      exchange.onFinished(() => {
        throw new Error('in a stage')
      })
    }
    const errors: string[] = []
    const actor = closeAfter(await startActor(['modern']))
    const rig = await startRig({ servers: { a: http(actor.url) }, deps: { stages: [{ name: 'watch', run: watch }], log: ({ level, event }) => void (level === 'error' && errors.push(event)) } })
    expect((await call(rig)).status).toBe(200)
    expect(ends).toEqual([{ outcome: 'answered', errorCode: '', durationMs: expect.any(Number) }])
    expect(errors).toEqual(['internal_error'])
    expect(await rig.settled()).toHaveLength(1)
  })

  it('may still think when its client has gone: the exchange ended without it, and its late refusal changes nothing', async () => {
    const gate = Promise.withResolvers<StageVerdict>()
    const begun = Promise.withResolvers<void>()
    const ends: string[] = []
    const { rig, called } = await start({
      run(exchange) {
        begun.resolve()
        exchange.onFinished(({ outcome }) => void ends.push(outcome))
        return gate.promise
      },
    })
    const client = rawClient(rig.port)
    client.write(wireText(modernRequest('tools/call', { name: 'a__echo', arguments: {} })))
    await begun.promise
    client.socket.destroy()
    await until(() => rig.gateway.status().inFlight === 0)
    gate.resolve({ refuse: 'forbidden' })
    await sleep(30)
    expect(ends).toEqual(['disconnected'])
    expect(called()).toBe(0)
    expect((await rig.settled()).map(({ outcome }) => outcome)).toEqual(['disconnected'])
  })

  it('in a place that there is not is refused when the gateway is made', async () => {
    await expect(start({ after: 'carry' as 'decide' })).rejects.toThrow(/after "carry" is none of authenticate, session/)
  })
})
