/** A store that answers everything, and slowly: each answer comes in its time, and all that one request needs does not. */
import { describe, expect, it } from 'vitest'
import { createEventStore } from '../src/adapters/memory/event-store.ts'
import { createSessionStore } from '../src/adapters/memory/session-store.ts'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import type { Clock } from '../src/core/clock.ts'
import type { SessionStore } from '../src/core/session/session-store.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import { META } from '../src/protocol/meta.ts'
import { TERMS } from './contracts/task-store.contract.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, modern, openSession } from './mcp-client.ts'
import { DECLARED, resultOf } from './task-rig.ts'

const UNAVAILABLE = -31_028
const SLOW_MS = 3_000

/** Ten times as fast. */
function quickClock(): Clock {
  const clock = createSystemClock()
  return { nowMs: clock.nowMs, ticksMs: () => clock.ticksMs() * 10, after: (ms, run) => clock.after(ms / 10, run) }
}

/** Each answer takes `SLOW_MS` while it is slow. */
interface Pace {
  readonly clock: Clock
  isSlow: boolean
}

async function paced<T>({ clock, isSlow }: Pace, run: () => Promise<T>): Promise<T> {
  if (isSlow) await new Promise<void>((resolve) => void clock.after(SLOW_MS, resolve))
  return run()
}

function slowSessions(store: SessionStore, pace: Pace): SessionStore {
  return { ...store, count: (...given) => paced(pace, () => store.count(...given)), save: (...given) => paced(pace, () => store.save(...given)), find: (id) => paced(pace, () => store.find(id)) }
}

const initialize = (port: number): Promise<Answer> => legacy(port, '', 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } })

describe('a request that needs a slow store several times', () => {
  it('for a new session is told to come again, and leaves no session behind', async () => {
    const pace = { clock: quickClock(), isSlow: true }
    const store = createSessionStore(pace.clock)
    const rig = await startRig({ deps: { clock: pace.clock, sessions: slowSessions(store, pace) } })
    const refused = await initialize(rig.port)
    expect([refused.status, refused.headers['retry-after'], codeOf(refused)]).toEqual([503, '1', UNAVAILABLE])
    // What was begun comes to its end, and is taken back.
    await until(() => rig.gateway.status().sessions === 0)
    await expect.poll(() => store.count('owner alice')).toBe(0)
    pace.isSlow = false
    expect((await initialize(rig.port)).status).toBe(200)
  })

  it('for a session that has to be taken up is told to come again, and finds it then', async () => {
    const pace = { clock: quickClock(), isSlow: true }
    const store = createSessionStore(pace.clock)
    const kept = createEventStore(pace.clock, store)
    const before = await startRig({ deps: { clock: pace.clock, sessions: store, keptEvents: kept } })
    const session = await openSession(before.port)
    const after = await startRig({ deps: { clock: pace.clock, sessions: slowSessions(store, pace), keptEvents: { ...kept, load: (id) => paced(pace, () => kept.load(id)) } } })
    const ping = (): Promise<Answer> => legacy(after.port, session, 'ping')
    const refused = await ping()
    expect([refused.status, codeOf(refused)]).toEqual([503, UNAVAILABLE])
    await expect.poll(async () => (await ping()).status).toBe(200)
  })

  it('for a task is told to come again, and its task is withdrawn before it is tried', async () => {
    const pace = { clock: quickClock(), isSlow: false }
    const store = createTaskStore(pace.clock)
    let made = ''
    const slow: TaskStore = {
      ...store,
      usage: (...given) => paced(pace, () => store.usage(...given)),
      create: (task) => paced(pace, () => ((made = task.id), store.create(task))),
    }
    const actor = closeAfter(await startActor(['modern'], { slow: (call) => call.answer({ content: [] }) }))
    const tasks = [{ pattern: '*', mode: 'always' as const, afterMs: 150, terms: TERMS }]
    const rig = await startRig({ servers: { actor: http(actor.url) }, server: { tasks }, deps: { clock: pace.clock, tasks: { store: slow, sha256 } } })
    const call = (token: string): Promise<Answer> => modern(rig.port, 'tools/call', { name: 'slow', arguments: {} }, { token, path: '/actor/mcp', meta: { [META.clientCapabilities]: DECLARED } })
    expect(resultOf(await call('alice'))).toMatchObject({ resultType: 'task' })
    const calls = (): number => actor.requests.filter(({ json }) => json.method === 'tools/call').length
    await until(() => calls() === 1)
    pace.isSlow = true
    const seen = made
    // How many tasks alice has is known by now.
    const refused = await call('bob')
    expect([refused.status, codeOf(refused)]).toEqual([503, UNAVAILABLE])
    await until(() => made !== seen)
    await expect.poll(async () => (await store.find(made)).kind).not.toBe('found')
    expect(calls()).toBe(1)
  })
})
