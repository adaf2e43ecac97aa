import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { toWireText } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { CallHandler, Channel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createModernWatch } from './modern-watch.ts'

function message(value: object): Message {
  const scan = parseMessage(toWireText(JSON.stringify({ jsonrpc: '2.0', ...value })))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

const ACKNOWLEDGED = message({ method: 'notifications/subscriptions/acknowledged', params: { notifications: {} } })
const REFUSED = message({ id: 1, error: { code: -32_601, message: 'Method not found' } })
const settle = (): Promise<unknown> => new Promise((resolve) => setImmediate(resolve))

/** A server whose listens do what the test says. */
async function play() {
  const clock = createManualClock()
  const listens: CallHandler[] = []
  const channel = {
    era: 'modern', transport: 'http', revision: '2026-07-28', nextId: () => '1',
    send({ handler }: { handler: CallHandler }) {
      listens.push(handler)
      return { abort: () => undefined, resume: () => undefined }
    },
  } as unknown as Channel
  let missed = 0
  const upstream = { modern: () => Promise.resolve(channel) } as unknown as Upstream
  const watch = createModernWatch({ clock, self: { name: 'p', version: '1' }, upstream, announce: () => undefined, onMissed: () => (missed += 1) })
  void watch.sync(new Set(), undefined)
  await settle()
  const pass = async (ms: number): Promise<number> => {
    clock.advance(ms)
    await settle()
    return listens.length
  }
  const end = async (isAcknowledged: boolean, stoodMs = 0): Promise<void> => {
    const handler = listens.at(-1)
    if (isAcknowledged) handler?.onMessage(ACKNOWLEDGED)
    await pass(stoodMs)
    handler?.onResponse(REFUSED)
    await settle()
  }
  return { watch, listens, pass, end, missed: () => missed }
}

describe('a listen at a modern server', () => {
  it('that is refused is tried again ever later, every 30 s in the end', async () => {
    const { pass, end } = await play()
    for (const [tries, delayMs] of [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000].entries()) {
      await end(false)
      expect(await pass(delayMs - 1)).toBe(tries + 1)
      expect(await pass(1)).toBe(tries + 2)
    }
  })

  it('that stood for 10 s is opened anew after 1 s, and what was missed is told', async () => {
    const { pass, end, listens, missed } = await play()
    for (let tries = 1; tries <= 4; tries += 1) await end(false).then(() => pass(30_000))
    await end(true, 10_000)
    expect([await pass(999), await pass(1)]).toEqual([5, 6])
    const before = missed()
    listens.at(-1)?.onMessage(ACKNOWLEDGED)
    expect(missed()).toBe(before + 1)
  })

  it('is opened at once for who comes to listen, and not once more when its time has come', async () => {
    const { watch, pass, end } = await play()
    for (let tries = 1; tries <= 4; tries += 1) await end(false).then(() => pass(30_000))
    await end(false)
    void watch.sync(new Set(), undefined)
    expect(await pass(0)).toBe(6)
    expect(await pass(60_000)).toBe(6)
  })

  it('is not opened any more once it is closed', async () => {
    const { watch, pass, end } = await play()
    await end(false)
    watch.close()
    expect(await pass(60_000)).toBe(1)
  })
})
