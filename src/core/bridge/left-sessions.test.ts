import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createKeyring } from '../../adapters/node/keyring.ts'
import type { GatewayContext, LogEvent } from '../gateway/context.ts'
import type { Session } from '../session/session.ts'
import type { Ending } from '../upstream/channel.ts'
import { createLeftSessions } from './left-sessions.ts'
import { keepStanding } from './server-session.ts'

const keyring = createKeyring([{ secret: Buffer.alloc(32, 1), active: true }])

function left(id: string, upstreamIds: readonly string[]): Session {
  const data: Session = {
    id, bindingKey: 'alice', ownerKey: 'alice', endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}', createdAtMs: 1, lastUsedAtMs: 1,
    initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
  }
  for (const upstreamId of upstreamIds) keepStanding(keyring, data, upstreamId, { url: 'https://server.example/mcp', sessionId: `${id} at ${upstreamId}`, revision: '2025-11-25' })
  return data
}

/** `ends` says what becomes of the session of that id there. */
function play(rows: Session[], ends: (sessionId: string, upstreamId: string) => Ending | Promise<Ending>, replicas?: readonly string[]) {
  const clock = createManualClock()
  const events: LogEvent[] = []
  const asked: string[] = []
  const seen = { mostInHand: 0, mostAtOnce: 0, atOnce: 0 }
  const upstream = (id: string) => ({
    async endStanding({ sessionId }: { readonly sessionId: string }) {
      asked.push(sessionId)
      seen.atOnce += 1
      seen.mostAtOnce = Math.max(seen.mostAtOnce, seen.atOnce)
      try {
        return await ends(sessionId, id)
      } finally {
        seen.atOnce -= 1
      }
    },
  })
  const context = {
    deps: {
      clock, keyring, random: { fraction: () => 0.5, id: () => 'x' }, log: (event: LogEvent) => void events.push(event), credentials: { headersFor: () => [] },
      ...(replicas === undefined ? {} : { replica: { self: { id: 'b' }, store: { live: () => Promise.resolve(replicas.map((id) => ({ id }))) } } }),
    },
    upstreams: { byId: upstream },
    sessions: {
      takeExpired(count: number) {
        const taken = rows.splice(0, count)
        seen.mostInHand = Math.max(seen.mostInHand, taken.length)
        return Promise.resolve({ taken: taken.length, left: taken })
      },
    },
  } as unknown as GatewayContext
  const sweeper = createLeftSessions(context)
  const settle = async (): Promise<void> => {
    for (let turns = 0; turns < 200; turns += 1) await Promise.resolve()
  }
  return {
    clock, events, asked, rows, seen, sweeper, settle,
    async sweep() {
      sweeper.sweep()
      await settle()
    },
  }
}

describe('sessions at servers that nobody comes back to', () => {
  it('are ended each once, however many expire at once, in bounded batches and a few at a time', async () => {
    const rows = Array.from({ length: 1_000 }, (_, at) => left(`s${at}`, ['one', 'two']))
    const scene = play(rows, () => 'ended')
    scene.sweeper.sweep()
    await expect.poll(() => scene.asked.length, { interval: 1 }).toBe(2_000)
    expect([new Set(scene.asked).size, scene.rows, scene.events]).toEqual([2_000, [], []])
    expect(scene.seen.mostInHand).toBeLessThanOrEqual(200)
    expect(scene.seen.mostAtOnce).toBeLessThanOrEqual(2 * 32)
  })

  it('are tried a few times more where the server could not be asked, and ended when it is back', async () => {
    let isAway = true
    const scene = play([left('s', ['one'])], () => (isAway ? 'unheard' : 'ended'))
    await scene.sweep()
    expect(scene.asked).toHaveLength(1)
    isAway = false
    scene.clock.advance(1_000)
    await scene.settle()
    expect([scene.asked.length, scene.events]).toEqual([2, []])
    expect(scene.clock.pendingCount).toBe(0)
  })

  it('are forgotten after that, with a line in the log, and those that come next untried for a while', async () => {
    const scene = play([left('s1', ['one'])], () => 'unheard')
    await scene.sweep()
    for (let waits = 0; waits < 5; waits += 1) {
      scene.clock.advance(10_000)
      await scene.settle()
    }
    expect(scene.asked).toHaveLength(3)
    expect(scene.events).toEqual([{ level: 'warn', event: 'sessions_left_at_server', fields: { upstream: 'one', sessions: 1 } }])
    scene.rows.push(left('s2', ['one']), left('s3', ['one']))
    await scene.sweep()
    expect([scene.asked.length, scene.events.at(-1)?.fields]).toEqual([3, { upstream: 'one', sessions: 2 }])
    scene.clock.advance(10 * 60_000)
    scene.rows.push(left('s4', ['one']))
    await scene.sweep()
    expect(scene.asked).toHaveLength(4)
  })

  it('are not tried again where the server refuses it, which keeps nobody else\'s there', async () => {
    const scene = play([left('s1', ['one']), left('s2', ['one'])], (sessionId) => (sessionId.startsWith('s1') ? 'refused' : 'ended'))
    await scene.sweep()
    expect([scene.asked, scene.events.length, scene.clock.pendingCount]).toEqual([['s1 at one', 's2 at one'], 1, 0])
  })

  it('are ended at one server while another one is away', async () => {
    const scene = play([left('s1', ['away', 'up']), left('s2', ['up', 'away'])], (_sessionId, upstreamId) => (upstreamId === 'up' ? 'ended' : 'unheard'))
    await scene.sweep()
    expect(scene.asked.filter((id) => id.endsWith('at up'))).toHaveLength(2)
  })

  it('are the affair of the elected replica alone', async () => {
    const other = play([left('s', ['one'])], () => 'ended', ['a', 'b'])
    await other.sweep()
    expect([other.asked, other.rows.length]).toEqual([[], 1])
    const elected = play([left('s', ['one'])], () => 'ended', ['b', 'c'])
    await elected.sweep()
    expect(elected.asked).toEqual(['s at one'])
  })

  it('are taken by one sweep at a time, and by none after the end', async () => {
    let hear: (ending: Ending) => void = () => undefined
    const scene = play([left('s1', ['one'])], () => new Promise((resolve) => void (hear = resolve)))
    await scene.sweep()
    scene.rows.push(left('s2', ['one']))
    await scene.sweep()
    expect(scene.rows).toHaveLength(1)
    scene.sweeper.close()
    hear('ended')
    await scene.sweep()
    expect([scene.asked, scene.rows.length]).toEqual([['s1 at one'], 1])
  })
})
