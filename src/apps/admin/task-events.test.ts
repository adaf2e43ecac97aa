import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { startAdminRig, writeOperators } from '../../../test/admin-rig.ts'
import type { AdminRig } from '../../../test/admin-rig.ts'

interface Stream {
  readonly text: () => string
  /** Lets seconds pass until the text has all of these. */
  until(...parts: readonly string[]): Promise<string>
  readonly ended: Promise<void>
  cut(): void
}

async function open(rig: AdminRig): Promise<Stream> {
  const cut = new AbortController()
  const response = await fetch(`http://127.0.0.1:${rig.port}/api/v1/tasks/events`, { headers: rig.headers, signal: cut.signal })
  expect([response.status, response.headers.get('content-type'), response.headers.get('cache-control')]).toEqual([200, 'text/event-stream', 'no-store'])
  let text = ''
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) text += decoder.decode(chunk, { stream: true })
  }
  const ended = read().catch(() => undefined)
  const until = async (...parts: readonly string[]): Promise<string> => {
    for (let tries = 0; tries < 500 && !parts.every((part) => text.includes(part)); tries += 1) {
      rig.clock.advance(1_000)
      await sleep(5)
    }
    for (const part of parts) expect(text).toContain(part)
    return text
  }
  return { text: () => text, until, ended, cut: () => cut.abort() }
}

describe('the stream of tasks', () => {
  it('begins with all that wait, then tells of changes, without what their owners sent', async () => {
    const rig = await startAdminRig()
    await rig.store.create(newTask('a'))
    await rig.store.create(newTask('b'))
    const stream = await open(rig)
    const begun = await stream.until('event: synced\ndata: {}\n\n')
    expect(begun).toMatch(/^retry: 1000\n\nevent: task\ndata: \{"id":"a","phase":"queued"/)
    await rig.tasks.cancel('alice', 'a')
    await rig.store.drop('b', 1_000)
    const text = await stream.until('"id":"a","phase":"cancelled"', 'event: gone\ndata: {"id":"b"}\n\n')
    expect(text).not.toMatch(/tools\/call|message|Cancelled/)
    await stream.until('\n\n:\n\n')
    stream.cut()
  })

  it('ends when the operator is removed', async () => {
    const rig = await startAdminRig()
    const stream = await open(rig)
    await stream.until('synced')
    writeOperators(rig.operatorsPath, [])
    let isOver = false
    void stream.ended.then(() => (isOver = true))
    await expect.poll(() => (rig.clock.advance(1_000), isOver)).toBe(true)
  })

  it('ends at once when the process does, so that a drain need not wait for it', async () => {
    const rig = await startAdminRig()
    const stream = await open(rig)
    await stream.until('synced')
    rig.door.close()
    await stream.ended
    expect(rig.listener.openCount).toBe(0)
  })

  it('is one of sixteen at most; whoever goes makes room', async () => {
    const rig = await startAdminRig()
    const streams = await Promise.all(Array.from({ length: 16 }, () => open(rig)))
    expect((await rig.ask('/api/v1/tasks/events')).status).toBe(503)
    streams[0]?.cut()
    await expect.poll(async () => {
      const { status, body } = await rig.ask('/api/v1/tasks/events')
      await body?.cancel()
      return status
    }).toBe(200)
    for (const stream of streams) stream.cut()
  })

  it('goes on while the store is away, and says later what happened meanwhile', async () => {
    const rig = await startAdminRig()
    const { store } = rig
    await store.create(newTask('a'))
    const list = store.list
    const stream = await open(rig)
    await stream.until('synced')
    store.list = () => Promise.reject(new Error('away'))
    await rig.tasks.cancel('alice', 'a')
    rig.clock.advance(3_000)
    await sleep(20)
    expect(stream.text()).not.toContain('cancelled')
    store.list = list
    await stream.until('"phase":"cancelled"')
    stream.cut()
  })
})
