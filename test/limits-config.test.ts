/** Limits as a configuration writes them, in a gateway as a program makes it, and changed by a reload. */
import { afterEach, expect, it } from 'vitest'
import { createGateway } from '../src/apps/library/gateway.ts'
import type { PortolanGateway } from '../src/apps/library/gateway.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { until } from './fixtures/upstream/support.ts'
import { modernRequest } from './mcp-client.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Scene {
  readonly gateway: PortolanGateway
  readonly actor: Actor
  /** Takes other limits; the servers stay. */
  reload(portolan: object): void
  call(name: string): Promise<Response>
}

async function start(portolan: object, acts: Readonly<Record<string, Act>> = {}): Promise<Scene> {
  const actor = await startActor(['modern'], acts)
  closers.push(() => actor.close())
  const config = (settings: object): object => ({ mcpServers: { a: { url: actor.url } }, portolan: { version: 1, ...settings } })
  const token = 'a-token-of-more-than-thirty-two-characters'
  const gateway = await createGateway(config(portolan), { token })
  closers.push(() => gateway.close())
  return {
    gateway,
    actor,
    reload: (settings) => expect(gateway.reload(config(settings))).toMatchObject({ outcome: 'changed' }),
    call(name) {
      const { headers, body } = modernRequest('tools/call', { name, arguments: {} }, { path: '/a/mcp', token })
      return gateway.fetch(new Request('http://localhost/a/mcp', { method: 'POST', headers, body }))
    },
  }
}

const statusOf = async (answer: Promise<Response>): Promise<unknown[]> => {
  const { status, headers } = await answer
  return [status, headers.get('retry-after')]
}

it('a rate for each principal holds until a reload takes it away', async () => {
  const { call, reload } = await start({ limits: { ratePerPrincipal: { perSec: 0.01, burst: 2 } } })
  expect([await statusOf(call('echo')), await statusOf(call('echo')), await statusOf(call('echo'))]).toEqual([[200, null], [200, null], [429, '100']])
  reload({})
  expect(await statusOf(call('echo'))).toEqual([200, null])
})

it('a bound of a server has calls wait, and a reload lets them go on', async () => {
  const gate = Promise.withResolvers<void>()
  const { call, reload, actor } = await start({ servers: { a: { limits: { exchanges: 1, queue: 1 } } } }, { hold: ({ answer }) => void gate.promise.then(() => answer()) })
  const arrived = (): number => actor.requests.filter(({ json }) => json.method === 'tools/call').length
  const first = call('hold')
  await until(() => arrived() === 1)
  const second = call('hold')
  expect(await statusOf(call('hold'))).toEqual([503, '10'])
  reload({ servers: { a: { limits: { exchanges: 2, queue: 1 } } } })
  await until(() => arrived() === 2)
  gate.resolve()
  expect([(await first).status, (await second).status]).toEqual([200, 200])
})

it('a breaker is there by default, has the settings of the file, and is gone when a reload says so', async () => {
  let isIll = true
  const flaky: Act = ({ response, answer }) => void (isIll ? response.socket?.destroy() : answer())
  const { call, reload, gateway } = await start({}, { flaky })
  const codeOf = async (answer: Promise<Response>): Promise<unknown> => ((await (await answer).json()) as { error?: { code: number } }).error?.code
  const stateOf = (): string | undefined => gateway.status().servers[0]?.breaker.state
  for (let calls = 0; calls < 9; calls += 1) expect(await codeOf(call('flaky'))).toBe(-31_024)
  expect(stateOf()).toBe('closed')
  expect(await codeOf(call('flaky'))).toBe(-31_024)
  expect(stateOf()).toBe('open')
  expect(await statusOf(call('flaky'))).toEqual([503, '5'])
  isIll = false
  reload({ servers: { a: { breaker: { failures: 0 } } } })
  expect(await statusOf(call('flaky'))).toEqual([200, null])
  isIll = true
  for (let calls = 0; calls < 12; calls += 1) expect(await codeOf(call('flaky'))).toBe(-31_024)
})
