/** Limits on real sockets: fairness, rates, the breaker, and that nothing of what was refused or left stays. */
import { Agent, request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import type { BreakerSettings } from '../src/core/upstream/breaker.ts'
import type { Act } from './fixtures/upstream/actor.ts'
import { sleep, until } from './fixtures/upstream/support.ts'
import { rawClient } from './http-rig.ts'
import type { Answer } from './http-rig.ts'
import { LINE, startLimitsRig } from './limits-rig.ts'
import type { LimitsRig } from './limits-rig.ts'
import { liveHeapBytes } from './live-memory.ts'
import { codeOf, legacy, messageOf, modern, modernRequest, openSession, wireText } from './mcp-client.ts'

const AT_FILES = '/files/mcp'
const call = (rig: LimitsRig, name: string, who = 'alice', args: object = {}, path = AT_FILES): Promise<Answer> =>
  modern(rig.port, 'tools/call', { name, arguments: args }, { path, token: who })
const times = <T>(count: number, run: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => run(at))
const summary = (answer: Answer): unknown[] => [answer.status, codeOf(answer), answer.headers['retry-after']]
const callsAt = (rig: LimitsRig): number => rig.files.requests.filter(({ json }) => json.method === 'tools/call').length

/** Answers after 5 ms, and notes who was served. */
function worker(): { readonly work: Act; readonly served: string[] } {
  const served: string[] = []
  return {
    served,
    work: ({ args, answer }) => {
      served.push(String(args['who']))
      setTimeout(() => answer(), 5)
    },
  }
}

/** Answers when it is let; nothing is answered before. */
function holder(): { readonly hold: Act; release(): void } {
  const gate = Promise.withResolvers<void>()
  return { hold: ({ answer }) => void gate.promise.then(() => answer()), release: () => gate.resolve() }
}

describe('two people at a server that takes one call at a time', () => {
  it('take turns, however many calls one of them has in line', async () => {
    const { work, served } = worker()
    const rig = await startLimitsRig({ files: { limits: { ...LINE, exchanges: 1 } } }, { work })
    const greedy = times(40, () => call(rig, 'work', 'alice', { who: 'alice' }))
    await until(() => served.length > 3)
    const from = served.length
    const modest = await Promise.all(times(3, () => call(rig, 'work', 'bob', { who: 'bob' })))
    const meanwhile = served.slice(from)
    expect(modest.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(meanwhile.length).toBeLessThan(15)
    expect((await Promise.all(greedy)).map(({ status }) => status)).toEqual(times(40, () => 200))
    expect(await rig.settled()).toHaveLength(43)
  })

  it('are both served under overload: who sends too much is refused, and told when to come back', async () => {
    const { work } = worker()
    const rig = await startLimitsRig({ files: { limits: { ...LINE, exchanges: 1, queue: 10, queueMs: 20_000 } } }, { work })
    let isOver = false
    const greedy = Promise.all(times(30, async () => {
      const answers: Answer[] = []
      while (!isOver) {
        const answer = await call(rig, 'work', 'alice', { who: 'alice' })
        answers.push(answer)
        if (answer.status !== 200) await sleep(5)
      }
      return answers
    }))
    await until(() => rig.limited('server_queue') > 10)
    for (const _ of times(10, () => 0)) expect((await call(rig, 'work', 'bob', { who: 'bob' })).status).toBe(200)
    isOver = true
    const all = (await greedy).flat()
    const refused = all.filter(({ status }) => status !== 200)
    expect(refused.length).toBeGreaterThan(10)
    expect(new Set(refused.map((answer) => JSON.stringify(summary(answer))))).toEqual(new Set(['[503,-31017,"20"]']))
    const records = await rig.settled()
    expect(records).toHaveLength(all.length + 10)
    expect(records.filter(({ outcome, errorCode, upstreamId }) => outcome === 'refused' && errorCode === 'overloaded' && upstreamId === 'files')).toHaveLength(refused.length)
    expect(rig.limited('server_queue')).toBe(refused.length)
  })
})

describe('a rate', () => {
  it('of a principal lets a burst through and then so many a second, and touches nobody else', async () => {
    const rig = await startLimitsRig({ ratePerPrincipal: { perSec: 10, burst: 5 } })
    const burstAtMs = performance.now()
    const answers = await Promise.all(times(12, () => call(rig, 'echo')))
    const refused = answers.filter(({ status }) => status !== 200)
    expect(answers.length - refused.length).toBeGreaterThanOrEqual(5)
    expect(answers.length - refused.length).toBeLessThanOrEqual(6 + (performance.now() - burstAtMs) / 100)
    for (const answer of refused) expect(summary(answer)).toEqual([429, -31_012, '1'])
    expect((await call(rig, 'echo', 'bob')).status).toBe(200)
    const beginMs = performance.now()
    let passed = 0
    while (performance.now() - beginMs < 1_000) {
      if ((await call(rig, 'echo')).status === 200) passed += 1
      await sleep(10)
    }
    expect(passed).toBeGreaterThanOrEqual(8)
    expect(passed).toBeLessThanOrEqual(12)
    expect(rig.limited('principal_rate')).toBeGreaterThan(refused.length)
  })

  it('of a principal is told to legacy clients in their words, and never keeps them from cancelling', async () => {
    const { hold } = holder()
    const rig = await startLimitsRig({ ratePerPrincipal: { perSec: 0.01, burst: 2 } }, { hold })
    const session = await openSession(rig.port, { path: AT_FILES })
    const held = legacy(rig.port, session, 'tools/call', { name: 'hold' }, { path: AT_FILES, id: 7 })
    await until(() => callsAt(rig) === 1)
    expect(summary(await legacy(rig.port, session, 'tools/list', {}, { path: AT_FILES }))).toEqual([429, -31_012, '100'])
    const cancel = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 7 } })
    expect((await legacy(rig.port, session, '', {}, { path: AT_FILES, body: cancel })).status).toBe(202)
    await held
    expect((await rig.settled()).map(({ outcome, errorCode }) => errorCode || outcome)).toContain('cancelled')
  })

  it('of a server is kept by waiting, for all together', async () => {
    const rig = await startLimitsRig({ files: { limits: { ...LINE, rate: { perSec: 20, burst: 2 } } } })
    const beginMs = performance.now()
    const answers = await Promise.all(times(10, (at) => call(rig, 'echo', at % 2 === 0 ? 'alice' : 'bob')))
    expect(answers.map(({ status }) => status)).toEqual(times(10, () => 200))
    expect(performance.now() - beginMs).toBeGreaterThanOrEqual(395)
    expect((await call(rig, 'echo', 'alice', {}, '/other/mcp')).status).toBe(200)
  })
})

describe('so many at a time', () => {
  it('for one principal refuse it the next one, and nobody else', async () => {
    const { hold, release } = holder()
    const rig = await startLimitsRig({ limits: { exchangesPerPrincipal: 2 } }, { hold })
    const held = times(2, () => call(rig, 'hold'))
    await until(() => callsAt(rig) === 2)
    expect(summary(await call(rig, 'echo'))).toEqual([429, -31_012, '1'])
    expect((await call(rig, 'echo', 'bob')).status).toBe(200)
    release()
    await Promise.all(held)
    expect((await call(rig, 'echo')).status).toBe(200)
    expect(rig.limited('principal_exchanges')).toBe(1)
  })

  it('count also who waits for a server\'s list', async () => {
    const gate = Promise.withResolvers<void>()
    const rig = await startLimitsRig({ limits: { exchanges: 1 }, files: { limits: undefined } }, {}, ['modern'])
    const { hold } = { hold: gate }
    const listed = modern(rig.port, 'tools/list', {}, { path: '/files/mcp' })
    const other = modern(rig.port, 'tools/list', {}, { path: '/other/mcp' })
    const statuses = (await Promise.all([listed, other])).map(({ status }) => status).sort()
    expect(statuses).toEqual([200, 503])
    hold.resolve()
  })
})

describe('a call in line', () => {
  const one = { files: { limits: { ...LINE, exchanges: 1 } } }

  it('leaves it when its client goes away, is never sent, and makes room', async () => {
    const { hold, release } = holder()
    const rig = await startLimitsRig({ files: { limits: { ...LINE, exchanges: 1, queue: 1 } } }, { hold })
    const held = call(rig, 'hold')
    await until(() => callsAt(rig) === 1)
    const client = rawClient(rig.port)
    client.write(wireText(modernRequest('tools/call', { name: 'echo', arguments: {} }, { path: AT_FILES })))
    await until(() => rig.gateway.status().inFlight === 2)
    expect((await call(rig, 'echo')).status).toBe(503)
    client.socket.destroy()
    await until(() => rig.gateway.status().inFlight === 1)
    const next = call(rig, 'echo', 'bob', { next: true })
    await until(() => rig.gateway.status().inFlight === 2)
    release()
    expect([(await held).status, (await next).status]).toEqual([200, 200])
    expect(callsAt(rig)).toBe(2)
    expect((await rig.settled()).map(({ outcome }) => outcome).sort()).toEqual(['answered', 'answered', 'disconnected', 'refused'])
  })

  it('leaves it when it is cancelled', async () => {
    const { hold, release } = holder()
    const rig = await startLimitsRig(one, { hold })
    const session = await openSession(rig.port, { path: AT_FILES })
    const held = call(rig, 'hold')
    await until(() => callsAt(rig) === 1)
    const waiting = legacy(rig.port, session, 'tools/call', { name: 'echo' }, { path: AT_FILES, id: 9 })
    await until(() => rig.gateway.status().inFlight === 2)
    const cancel = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 9 } })
    await legacy(rig.port, session, '', {}, { path: AT_FILES, body: cancel })
    await waiting
    release()
    await held
    expect(callsAt(rig)).toBe(1)
    expect((await rig.settled()).map(({ outcome }) => outcome)).toContain('cancelled')
  })

  it('is refused when Portolan stops, and served while it still may', async () => {
    const { hold, release } = holder()
    const rig = await startLimitsRig(one, { hold })
    const held = call(rig, 'hold')
    await until(() => callsAt(rig) === 1)
    const waiting = call(rig, 'echo')
    await until(() => rig.gateway.status().inFlight === 2)
    const late = rig.gateway.drain(5_000)
    release()
    expect([(await held).status, (await waiting).status]).toEqual([200, 200])
    await late
    const again = await startLimitsRig(one, { hold: () => undefined })
    const first = call(again, 'hold')
    await until(() => callsAt(again) === 1)
    const second = call(again, 'echo')
    await until(() => again.gateway.status().inFlight === 2)
    await again.gateway.drain(50)
    // The first may have run; the second was never sent.
    expect([codeOf(await first), codeOf(await second)]).toEqual([-31_024, -31_018])
    expect(callsAt(again)).toBe(1)
  })

  it('is served at once when a reload makes room, and lost by none', async () => {
    const { hold, release } = holder()
    const rig = await startLimitsRig(one, { hold })
    const held = times(3, () => call(rig, 'hold'))
    await until(() => callsAt(rig) === 1 && rig.gateway.status().inFlight === 3)
    rig.reload({ files: { limits: { ...LINE, exchanges: 2, queue: 0 } } })
    await until(() => callsAt(rig) === 2)
    rig.reload({ files: {} })
    await until(() => callsAt(rig) === 3)
    release()
    expect((await Promise.all(held)).map(({ status }) => status)).toEqual([200, 200, 200])
  })
})

const BREAKER: BreakerSettings = { failures: 3, windowMs: 10_000, openMs: 400, halfOpenProbes: 1 }

describe('a breaker', () => {
  /** Cuts the connection while it is ill. */
  function patient(): { readonly acts: Readonly<Record<string, Act>>; heal(): void; readonly reached: () => number } {
    let isIll = true
    let reached = 0
    const flaky: Act = ({ response, answer }) => {
      reached += 1
      if (isIll) response.socket?.destroy()
      else answer()
    }
    return { acts: { flaky }, heal: () => void (isIll = false), reached: () => reached }
  }

  it('opens after failures in a row, refuses at once with Retry-After, tries one call, and closes with an answer', async () => {
    const { acts, heal, reached } = patient()
    const rig = await startLimitsRig({ files: { breaker: { ...BREAKER, openMs: 900 } } }, acts)
    for (const _ of times(3, () => 0)) expect(codeOf(await call(rig, 'flaky'))).toBe(-31_024)
    expect(summary(await call(rig, 'flaky'))).toEqual([503, -31_020, '1'])
    expect(messageOf(await call(rig, 'flaky'))['error']).toMatchObject({ message: expect.stringMatching(/files.*last calls all failed/) })
    expect(reached()).toBe(3)
    expect(rig.gateway.status().servers[0]).toMatchObject({ state: 'degraded', detail: expect.stringMatching(/the last 3 calls failed; refused for 1 s more/), breaker: { state: 'open', failures: 3 } })
    expect((await call(rig, 'echo', 'alice', {}, '/other/mcp')).status).toBe(200)
    expect(rig.gateway.status().servers[1]).toMatchObject({ state: 'ready', breaker: { state: 'closed', failures: 0, retryAfterMs: 0 } })
    const session = await openSession(rig.port, { path: AT_FILES })
    const refused = await legacy(rig.port, session, 'tools/call', { name: 'flaky' }, { path: AT_FILES })
    expect(summary(refused)).toEqual([200, -31_020, '1'])
    await until(() => rig.gateway.status().servers[0]?.breaker.state === 'halfOpen')
    heal()
    expect((await call(rig, 'flaky')).status).toBe(200)
    expect((await Promise.all(times(5, () => call(rig, 'flaky')))).map(({ status }) => status)).toEqual(times(5, () => 200))
    expect(rig.gateway.status().servers[0]).toMatchObject({ state: 'ready', breaker: { state: 'closed' } })
    expect(rig.limited('breaker')).toBe(3)
    expect((await rig.settled()).filter(({ errorCode, status }) => errorCode === 'upstream_unavailable' && (status === 503 || status === 200))).toHaveLength(3)
  })

  it('lets one call at a time try, and closes the way again when that fails', async () => {
    const { acts, reached } = patient()
    const rig = await startLimitsRig({ files: { breaker: BREAKER } }, acts)
    for (const _ of times(3, () => 0)) await call(rig, 'flaky')
    await until(() => rig.gateway.status().servers[0]?.breaker.state === 'halfOpen')
    const codes = (await Promise.all(times(6, () => call(rig, 'flaky')))).map(codeOf).sort()
    expect(codes).toEqual([-31_020, -31_020, -31_020, -31_020, -31_020, -31_024].sort())
    expect(reached()).toBe(4)
    expect(rig.gateway.status().servers[0]?.breaker).toMatchObject({ state: 'open', failures: 4 })
  })

  it('takes errors and refusals of the server itself for answers', async () => {
    const answers: Record<string, Act> = {
      wrong: ({ response, id }) => void response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32_603, message: 'no' } })),
      bad: ({ answer }) => answer({ isError: true }),
      shut: ({ response }) => void response.writeHead(403).end(),
      busy: ({ response }) => void response.writeHead(503, { 'retry-after': '7' }).end(),
      odd: ({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>hello'),
    }
    const rig = await startLimitsRig({ files: { breaker: BREAKER } }, answers)
    for (const name of Object.keys(answers)) await Promise.all(times(6, () => call(rig, name)))
    expect(rig.gateway.status().servers[0]?.breaker.state).toBe('closed')
    expect((await call(rig, 'echo')).status).toBe(200)
  })

  it('opens for a server that is silent, and for one that is gone', async () => {
    const rig = await startLimitsRig({ files: { breaker: { ...BREAKER, openMs: 60_000 }, requestIdleTimeoutMs: 300 } }, { mute: () => undefined })
    expect((await Promise.all(times(3, () => call(rig, 'mute')))).map(codeOf)).toEqual([-31_021, -31_021, -31_021])
    const asked = callsAt(rig)
    expect(summary(await call(rig, 'mute'))).toEqual([503, -31_020, '60'])
    expect(callsAt(rig)).toBe(asked)
    const gone = await startLimitsRig({ files: { breaker: { ...BREAKER, openMs: 60_000 } } })
    expect((await call(gone, 'echo')).status).toBe(200)
    await gone.files.close()
    const codes: number[] = []
    for (const _ of times(3, () => 0)) codes.push((await call(gone, 'echo')).status)
    expect(codes).toEqual([503, 503, 503])
    expect(gone.gateway.status().servers[0]?.breaker.state).toBe('open')
    expect((await call(gone, 'echo', 'alice', {}, '/other/mcp')).status).toBe(200)
  }, 30_000)

  it('refuses those in line when it opens', async () => {
    const held: (() => void)[] = []
    const cut: Act = ({ response }) => void held.push(() => response.socket?.destroy())
    const rig = await startLimitsRig({ files: { breaker: { ...BREAKER, failures: 1, openMs: 60_000 }, limits: { ...LINE, exchanges: 1 } } }, { cut })
    const calls = times(4, () => call(rig, 'cut'))
    await until(() => held.length === 1 && rig.gateway.status().inFlight === 4)
    for (const end of held) end()
    expect((await Promise.all(calls)).map(codeOf).toSorted()).toEqual([-31_020, -31_020, -31_020, -31_024])
    expect(held).toHaveLength(1)
  })

  it.each([0, 1])('or a server that is down leaves lists as they were said last: failures %s', async (failures) => {
    const system = createSystemClock()
    let skewMs = 0
    const clock = { ...system, ticksMs: () => system.ticksMs() + skewMs }
    const breaker = failures === 0 ? undefined : { ...BREAKER, failures, openMs: 600_000 }
    const rig = await startLimitsRig({ clock, files: { breaker } }, {}, ['legacy'])
    const lists = (): Promise<unknown[]> => Promise.all([AT_FILES, '/mcp'].map(async (path) => (messageOf(await modern(rig.port, 'tools/list', {}, { path }))['result'] as { tools: unknown }).tools))
    const before = await lists()
    await rig.files.close()
    expect((await call(rig, 'echo')).status).toBe(503)
    skewMs = 60_000
    expect(await lists()).toEqual(before)
    expect(codeOf(await call(rig, 'echo'))).toBe(-31_020)
  })
})

describe('10,000 refused calls', () => {
  it('leave one record each, and nothing else', async () => {
    const rig = await startLimitsRig({ ratePerPrincipal: { perSec: 0.001, burst: 1 } })
    const agent = new Agent({ keepAlive: true, maxSockets: 16 })
    const { headers, body } = modernRequest('tools/call', { name: 'echo', arguments: {} }, { path: AT_FILES })
    const ask = (): Promise<number> => new Promise((resolve, reject) => {
      const asked = httpRequest({ host: '127.0.0.1', port: rig.port, method: 'POST', path: AT_FILES, headers, agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.on('error', reject).end(body)
    })
    expect(await ask()).toBe(200)
    const statuses = (await Promise.all(times(16, async () => {
      const seen: number[] = []
      for (let at = 0; at < 100; at += 1) seen.push(await ask())
      return seen
    }))).flat()
    expect(new Set(statuses)).toEqual(new Set([429]))
    agent.destroy()
    let answered = 0
    const pipe = rig.gateway.stdio({ write: (text) => (answered += Number(text.includes('-31012')), true), onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined }, 'files')
    const flood = (count: number): void => {
      for (let at = 0; at < count; at += 1) pipe.take(body.replace('"id":1', `"id":${at}`))
    }
    flood(2_000)
    await rig.settled()
    const before = liveHeapBytes()
    flood(10_000)
    expect(await rig.settled()).toHaveLength(10_000)
    expect(answered).toBe(11_999)
    expect(rig.limited('principal_rate')).toBe(1_600 + answered)
    expect(liveHeapBytes() - before).toBeLessThan(16 * 1024 * 1024)
    expect(rig.gateway.status().inFlight).toBe(0)
    pipe.close()
  }, 60_000)
})
