import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../memory/clock.ts'
import { createSystemClock } from '../node/clock.ts'
import { createDealer } from './deal.ts'
import type { Dealer } from './deal.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

async function open(clock = createSystemClock()): Promise<{ dealer: Dealer; port: number; acceptedCount: () => number }> {
  const dealer = createDealer(clock)
  closers.push(() => dealer.close())
  const server = dealer.open().listen(0, '127.0.0.1')
  let accepted = 0
  server.on('connection', () => (accepted += 1))
  await once(server, 'listening')
  return { dealer, port: (server.address() as AddressInfo).port, acceptedCount: () => accepted }
}

async function startWorker(dealer: Dealer): Promise<ChildProcess> {
  const worker = fork(fileURLToPath(new URL('../../../test/fixtures/dealt-process.ts', import.meta.url)))
  closers.push(() => worker.kill('SIGKILL'))
  await once(worker, 'message')
  const leave = dealer.join(worker)
  worker.once('close', leave)
  return worker
}

/** A connection that has said something; `pid`: who answers, 0 where it is closed. */
function client(port: number): { readonly socket: Socket; readonly pid: Promise<number> } {
  const socket = connect({ port, host: '127.0.0.1' })
  closers.push(() => socket.destroy())
  socket.write('who?\n')
  const pid = new Promise<number>((resolve) => socket.on('error', () => undefined).on('data', (text) => resolve(Number(text))).on('close', () => resolve(0)))
  return { socket, pid }
}

describe('connections that are dealt to workers', () => {
  it('are taken before it closes, those that it has accepted, where it waits for that', async () => {
    const { dealer, port, acceptedCount } = await open()
    await startWorker(dealer)
    const clients = Array.from({ length: 20 }, () => client(port))
    await expect.poll(acceptedCount, { interval: 1, timeout: 10_000 }).toBe(20)
    await dealer.settled(10_000)
    dealer.close()
    expect((await Promise.all(clients.map(({ pid }) => pid))).filter((pid) => pid === 0)).toEqual([])
  })

  it('are waited for by nobody who closes where no worker can take them', async () => {
    const { dealer, port } = await open()
    const { socket, pid } = client(port)
    await once(socket, 'connect')
    await dealer.settled(60_000)
    dealer.close()
    expect(await pid).toBe(0)
  })

  it('go to each in turn, and are the worker\'s alone from then on', async () => {
    const { dealer, port } = await open()
    const workers = [await startWorker(dealer), await startWorker(dealer)]
    const pids: number[] = []
    for (let at = 0; at < 6; at += 1) pids.push(await client(port).pid)
    expect(new Set(pids)).toEqual(new Set(workers.map(({ pid }) => pid)))
    expect(pids[0]).toBe(pids[2])
    const held = client(port)
    const of = await held.pid
    const ended = once(held.socket, 'close')
    workers.find(({ pid }) => pid === of)?.kill('SIGKILL')
    await ended
  })

  it('go to another worker where one refuses them, and never there again', async () => {
    const { dealer, port } = await open()
    const [leaving, other] = [await startWorker(dealer), await startWorker(dealer)]
    leaving.send('leave')
    for (let at = 0; at < 5; at += 1) expect(await client(port).pid).toBe(other.pid)
  })

  it('go to another worker where one died before it took them', async () => {
    const { dealer, port } = await open(createManualClock())
    const stopped = await startWorker(dealer)
    stopped.kill('SIGSTOP')
    const waiting = client(port)
    await once(waiting.socket, 'connect')
    const other = await startWorker(dealer)
    expect(await client(port).pid).toBe(other.pid)
    stopped.kill('SIGKILL')
    expect(await waiting.pid).toBe(other.pid)
  })

  it('are whole at another worker where one died before its answer had left', async () => {
    const { dealer, port } = await open(createManualClock())
    const holding = await startWorker(dealer)
    holding.send('hold')
    const { socket, pid } = client(port)
    await once(socket, 'connect')
    // Many turns after the connection came: it would have read by now.
    await once(holding, 'message')
    const other = await startWorker(dealer)
    holding.kill('SIGKILL')
    expect(await pid).toBe(other.pid)
  })

  it('are ended, and go to nobody else, where a worker does not answer in time; it serves others when it goes on', async () => {
    const clock = createManualClock()
    const { dealer, port } = await open(clock)
    const stopped = await startWorker(dealer)
    stopped.kill('SIGSTOP')
    const waiting = client(port)
    await expect.poll(() => clock.pendingCount).toBe(1)
    clock.advance(4_999)
    const next = client(port)
    await expect.poll(() => clock.pendingCount).toBe(2)
    clock.advance(1)
    expect(await waiting.pid).toBe(0)
    stopped.kill('SIGCONT')
    expect(await next.pid).toBe(stopped.pid)
  })

  it('wait for a worker where there is none yet', async () => {
    const { dealer, port } = await open()
    const early = client(port)
    await once(early.socket, 'connect')
    const worker = await startWorker(dealer)
    expect(await early.pid).toBe(worker.pid)
  })

  it('are closed where no worker came in time, and when nothing more is accepted', async () => {
    const clock = createManualClock()
    const { dealer, port } = await open(clock)
    const [first, second] = [client(port), client(port)]
    await expect.poll(() => clock.pendingCount).toBe(2)
    clock.advance(5_000)
    expect([await first.pid, await second.pid]).toEqual([0, 0])
    const third = client(port)
    await expect.poll(() => clock.pendingCount).toBe(1)
    dealer.close()
    expect(await third.pid).toBe(0)
  })

  it('do not harm others where their client has gone meanwhile', async () => {
    const { dealer, port } = await open()
    const gone = client(port)
    await once(gone.socket, 'connect')
    gone.socket.resetAndDestroy()
    const worker = await startWorker(dealer)
    expect(await client(port).pid).toBe(worker.pid)
  })
})
