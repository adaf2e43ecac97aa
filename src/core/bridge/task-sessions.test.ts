import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Channel } from '../upstream/channel.ts'
import { createTaskSessions } from './task-sessions.ts'

const NAME = { ownerKey: 'alice', upstreamId: 'u', taskId: 't' }
const MINUTE_MS = 60_000

function open() {
  const clock = createManualClock()
  const sessions = createTaskSessions({ clock, self: { name: 'p', version: '1' }, yieldMs: () => MINUTE_MS })
  const state = { status: 'working', asked: 0, closed: 0 }
  // Of a channel only this is asked for here.
  const channel = {
    closed: false,
    nextId: () => '1',
    send({ handler }: Parameters<Channel['send']>[0]) {
      state.asked += 1
      const scan = parseMessage(`{"jsonrpc":"2.0","id":1,"result":{"taskId":"t","status":"${state.status}","createdAt":"2026-01-01T00:00:00Z","ttl":null}}`)
      if (scan.ok) handler.onResponse(scan.value)
      return { abort() {}, resume() {} }
    },
  } as unknown as Channel
  const pass = async (ms: number): Promise<void> => {
    for (let passed = 0; passed < ms; passed += 10_000) {
      clock.advance(10_000)
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
    }
  }
  return { clock, sessions, channel, state, pass, keep: () => sessions.keep(channel, () => void (state.closed += 1)) }
}

describe('a session whose client has left', () => {
  it('is not kept where no task goes on in it', () => {
    expect(open().keep()).toBe(false)
  })

  it('is kept while its task goes on, and for a while after it has ended, when nobody asks', async () => {
    const { sessions, channel, state, pass, keep } = open()
    sessions.note(NAME, channel, null)
    expect(keep()).toBe(true)
    await pass(30 * MINUTE_MS)
    expect([state.closed, sessions.channelOf(NAME)]).toEqual([0, channel])
    state.status = 'completed'
    await pass(4 * MINUTE_MS)
    expect(state.closed).toBe(0)
    await pass(2 * MINUTE_MS)
    expect([state.closed, sessions.channelOf(NAME)]).toEqual([1, undefined])
  })

  it('is kept no longer than its task may live, and asked no more once the result was fetched', async () => {
    const short = open()
    short.sessions.note(NAME, short.channel, 2 * MINUTE_MS)
    short.keep()
    await short.pass(2 * MINUTE_MS)
    expect(short.state.closed).toBe(1)
    const fetched = open()
    fetched.sessions.note(NAME, fetched.channel, null)
    fetched.keep()
    fetched.sessions.ended(NAME, true)
    const { asked } = fetched.state
    await fetched.pass(5 * MINUTE_MS)
    expect([fetched.state.closed, fetched.state.asked, fetched.clock.pendingCount]).toEqual([1, asked, 0])
  })

  it('makes room for its owner\'s next one after a while', async () => {
    const { sessions, channel, pass, keep } = open()
    sessions.note(NAME, channel, null)
    await pass(2 * MINUTE_MS)
    expect(sessions.mayYield(channel)).toBe(false)
    keep()
    expect(sessions.mayYield(channel)).toBe(false)
    await pass(MINUTE_MS)
    expect(sessions.mayYield(channel)).toBe(true)
  })
})
