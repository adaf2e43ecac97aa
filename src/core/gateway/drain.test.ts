import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { GatewayContext, LogEvent } from './context.ts'
import { drain } from './drain.ts'
import type { Exchange } from './exchange.ts'

/** As much of a gateway as a drain sees: one session, which `handOver` may leave where it is. */
function createScene() {
  const clock = createManualClock()
  const session = { inFlight: new Map<string, Exchange>(), streams: [] } as unknown as LiveSession
  const here = new Set([session])
  const tries: number[] = []
  const logged: LogEvent[] = []
  const scene = { clock, session, here, tries, handOver: (): Promise<void> => Promise.resolve(), saved: (): Promise<void> => Promise.resolve() }
  const sessions = {
    all: () => here.values(),
    get count() {
      return here.size
    },
    handOver: () => (tries.push(clock.ticksMs()), scene.handOver()),
    saved: () => scene.saved(),
  }
  const context = { draining: false, deps: { clock, log: (event: LogEvent) => void logged.push(event) }, inFlight: new Map(), upstreams: { all: () => [] }, membership: {}, sessions } as unknown as GatewayContext
  const end = drain(context, 1_000)
  const pass = async (ms: number): Promise<void> => {
    for (let step = 0; step < ms; step += 20) {
      clock.advance(20)
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve()
    }
  }
  return { ...scene, scene, context, logged, end, pass }
}

describe('a drain', () => {
  it('hands a session over in the end in which a call had begun while it was looked up', async () => {
    const { scene, here, session, tries, end, pass } = createScene()
    session.inFlight.set('1', {} as Exchange)
    await pass(200)
    expect(tries.length).toBe(1)
    session.inFlight.clear()
    scene.handOver = async () => void here.clear()
    await pass(40)
    await end
    expect([tries.length, here.size]).toEqual([2, 0])
  })

  it('tries again where that failed, one at a time, and ends when its time is over', async () => {
    const { scene, tries, end, pass } = createScene()
    const looked = Promise.withResolvers<void>()
    scene.handOver = () => looked.promise
    await pass(100)
    scene.handOver = () => Promise.reject(new Error('the store is away'))
    looked.resolve()
    await pass(1_000)
    await end
    expect(tries.at(-1)).toBeGreaterThanOrEqual(1_000)
    expect(tries.length).toBeGreaterThan(3)
  })

  it('waits as long for sessions that are on their way already', async () => {
    const { clock, scene, here, logged, end, pass } = createScene()
    scene.handOver = () => {
      here.clear()
      return new Promise((resolve) => void clock.after(2_500, resolve))
    }
    let endedTicks = 0
    void end.then(() => (endedTicks = clock.ticksMs()))
    await pass(2_700)
    expect(endedTicks).toBeGreaterThanOrEqual(2_500)
    expect(logged).toEqual([])
  })

  it('ends 2 s after its time, however many sessions a slow store has not taken back by then', async () => {
    const { clock, scene, here, tries, logged, context, end, pass } = createScene()
    for (let more = 0; more < 1_000; more += 1) here.add({ inFlight: new Map(), streams: [] } as unknown as LiveSession)
    // As a statement that is given up: each try, whatever the drain's time.
    scene.handOver = () => new Promise((resolve) => void clock.after(4_500, resolve))
    let endedTicks = Number.POSITIVE_INFINITY
    void end.then(() => (endedTicks = clock.ticksMs()))
    await pass(3_200)
    expect(endedTicks).toBeLessThanOrEqual(3_100)
    expect(logged).toEqual([{ level: 'warn', event: 'sessions_not_handed_over', fields: { sessions: 1_001 } }])
    const begun = tries.length
    // As the gateway is closed.
    await drain(context, 0)
    await pass(20_000)
    expect(tries.length).toBe(begun)
  })

  it('ends 2 s after its time, however long a change of a session takes to be stored, and waits for it no second time', async () => {
    const { clock, scene, here, context, end, pass } = createScene()
    scene.handOver = async () => void here.clear()
    scene.saved = () => new Promise((resolve) => void clock.after(20_000, resolve))
    let endedTicks = Number.POSITIVE_INFINITY
    void end.then(() => (endedTicks = clock.ticksMs()))
    await pass(3_200)
    expect([endedTicks >= 3_000, endedTicks <= 3_100]).toEqual([true, true])
    await drain(context, 0)
  })
})
