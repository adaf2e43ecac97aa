import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createSystemClock } from '../node/clock.ts'
import { stopAccepting } from './stop-accepting.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** What a client hears first: '' where it was reset. */
function hears(port: number): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1' })
  closers.push(() => socket.destroy())
  return new Promise((resolve) => socket.setEncoding('utf8').on('data', resolve).on('error', () => resolve('')).on('close', () => resolve('')))
}

async function open(): Promise<{ readonly server: ReturnType<typeof createServer>; readonly port: number; readonly taken: Socket[] }> {
  const taken: Socket[] = []
  const server = createServer((socket) => {
    taken.push(socket)
    socket.on('error', () => undefined).write('hello')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => taken.map((socket) => socket.destroy()))
  return { server, port: (server.address() as AddressInfo).port, taken }
}

describe('a listener that stops to take connections', () => {
  it('resets none that the kernel has made, and refuses the next', async () => {
    const { server, port } = await open()
    const heard = Array.from({ length: 100 }, () => hears(port))
    await stopAccepting([server], createSystemClock())
    expect((await Promise.all(heard)).filter((text) => text !== 'hello')).toEqual([])
    expect(await hears(port)).toBe('')
  })

  it('is through with it when those it took have ended, and cuts none', async () => {
    const { server, port, taken } = await open()
    await hears(port)
    const [ended] = await stopAccepting([server], createSystemClock())
    let isOver = false
    void ended?.then(() => (isOver = true))
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect([isOver, taken[0]?.destroyed]).toEqual([false, false])
    taken[0]?.destroy()
    await ended
  })

  it('stops within a second though the process has not a moment to itself', async () => {
    const { server, port } = await open()
    const clock = createSystemClock()
    let isBusy = true
    const work = (): void => {
      for (const untilTicks = clock.ticksMs() + 2; clock.ticksMs() < untilTicks;);
      if (isBusy) setImmediate(work)
    }
    work()
    const startedTicks = clock.ticksMs()
    await stopAccepting([server], clock)
    isBusy = false
    expect(clock.ticksMs() - startedTicks).toBeLessThan(1_000)
    expect(await hears(port)).toBe('')
  })
})
