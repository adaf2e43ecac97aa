import { readFileSync } from 'node:fs'
import { afterAll, describe, expect, it } from 'vitest'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { leaseChildren } from './leased-children.ts'
import type { Spawner } from './spawner.ts'

const spawner = createSpawner()
afterAll(() => spawner.close())

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return process.platform !== 'linux' || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

function start(leftMs: number, script: string, by: Spawner = spawner) {
  const leased = leaseChildren(by, createSystemClock(), () => leftMs)
  const exit = Promise.withResolvers<string | undefined>()
  let out = ''
  const child = leased.spawner.spawn(
    { command: 'sh', args: ['-c', script], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined },
    { onStdout: (chunk) => void (out += Buffer.from(chunk).toString('latin1')), onStderr: () => undefined, onDrain: () => undefined, onExit: ({ error }) => exit.resolve(error) },
  )
  return { leased, child, exit: exit.promise, out: () => out }
}

describe('a child that runs by a right that ends', () => {
  it.skipIf(process.platform === 'win32')('is gone only when that is gone, too, which it leaves behind', async () => {
    const { leased, exit, out } = start(60_000, `trap '' TERM; (while :; do sleep 0.05; done) & echo $!; exit 0`)
    await exit
    const left = Number(out())
    expect(isAlive(left)).toBe(true)
    expect(await leased.ended()).toBe(true)
    expect(isAlive(left)).toBe(false)
    await leased.gone()
  })

  it('is ended at once where nothing would end it in time', async () => {
    const { child, exit } = start(60_000, 'cat', { spawn: (request, handler) => ({ ...spawner.spawn(request, handler), expireIn: () => false }) })
    await exit
    expect(isAlive(child.pid)).toBe(false)
  })

  it('is not gone as long as something of it survives, and cannot be told to have ended, however it ended', async () => {
    const survivor = { isThere: true }
    const { leased, child } = start(60_000, 'cat', { spawn: (request, handler) => ({ ...spawner.spawn(request, handler), isLeft: () => (survivor.isThere ? Promise.resolve(true) : Promise.resolve(false)) }) })
    expect(await leased.ended()).toBe(true)
    await child.stop(0)
    expect(await leased.ended()).toBe(false)
    let isGone = false
    const gone = leased.gone().then(() => (isGone = true))
    expect([await leased.ended(), isGone]).toEqual([false, false])
    survivor.isThere = false
    await gone
    expect(await leased.ended()).toBe(true)
  })

  it('is not started where the right has ended already', async () => {
    const { child, exit } = start(0, 'echo started; cat')
    expect(child.pid).toBe(0)
    expect(await exit).toBe('another replica is to run the server')
  })
})
