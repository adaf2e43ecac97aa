import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { createWatcher } from './watcher.ts'

/** Ignores SIGTERM, which is said once it does. */
async function stubborn(marker: string): Promise<ChildProcess> {
  const child = spawn('sh', ['-c', `trap '' TERM; echo ready; while :; do sleep 0.05; done`], { detached: true, stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, MARKER: marker } })
  await once(child.stdout, 'data')
  return child
}

function shellOf(marker: string): number {
  const line = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'latin1' }).split('\n').find((one) => one.includes('portolan-watcher') && one.includes(marker))
  return Number(line?.trim().split(' ')[0])
}

describe.skipIf(process.platform === 'win32')('what has an end of its own', () => {
  it('is ended then, also where its owner has died before, and what ignores SIGTERM has more time', async () => {
    const owner = randomUUID()
    const [leased, other] = [await stubborn(`${owner}.1.`), await stubborn(`${owner}.2.`)]
    const watcher = createWatcher(`MARKER=${owner}.`)
    watcher.add(other.pid ?? 0)
    watcher.add(leased.pid ?? 0)
    watcher.expire(leased.pid ?? 0, 200, `MARKER=${owner}.1.`)
    const order: string[] = []
    const ends = [once(leased, 'exit').then(() => order.push('leased')), once(other, 'exit').then(() => order.push('other'))]
    // The pipe breaks, as when the owner is killed.
    watcher.close()
    await Promise.all(ends)
    expect(order).toEqual(['leased', 'other'])
  })

  it('is ended then by another shell, where that died which was told of it', async () => {
    const owner = randomUUID()
    const child = await stubborn(`${owner}.1.`)
    const watcher = createWatcher(`MARKER=${owner}.`)
    watcher.add(child.pid ?? 0)
    process.kill(shellOf(`MARKER=${owner}.`), 'SIGKILL')
    // As at each renewal of a lease.
    const renewing = setInterval(() => watcher.expire(child.pid ?? 0, 100, `MARKER=${owner}.1.`), 1_000)
    await once(child, 'exit')
    clearInterval(renewing)
    watcher.close()
  })

  it('is said not to be ended, where no shell starts', async () => {
    const child = await stubborn(randomUUID())
    const watcher = createWatcher('MARKER=none', '/nowhere/sh')
    watcher.add(child.pid ?? 0)
    expect([1, 2].map(() => watcher.expire(child.pid ?? 0, 100, 'MARKER=none'))).toEqual([false, false])
    watcher.close()
    child.kill('SIGKILL')
    await once(child, 'exit')
  })
})
