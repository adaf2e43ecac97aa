/** What every Spawner must do, with real processes. */
import { execFileSync } from 'node:child_process'
import { afterEach, describe, expect, it } from 'vitest'
import type { Child, ChildHandler, SpawnRequest, Spawner } from '../../src/core/upstream/spawner.ts'

export interface SpawnerRig {
  readonly spawner: Spawner
  close(): Promise<void>
}

type Exit = Parameters<ChildHandler['onExit']>[0]

interface Run {
  readonly child: Child
  readonly out: () => string
  readonly err: () => string
  readonly exits: Exit[]
  readonly drains: () => number
}

function run(spawner: Spawner, script: string, more: Partial<SpawnRequest> = {}): Run {
  let out = ''
  let err = ''
  let drained = 0
  const exits: Exit[] = []
  const request = { command: process.execPath, args: ['-e', script], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined, ...more }
  const child = spawner.spawn(request, {
    onStdout: (chunk) => (out += Buffer.from(chunk).toString('latin1')),
    onStderr: (chunk) => (err += Buffer.from(chunk).toString('latin1')),
    onDrain: () => drained++,
    onExit: (exit) => exits.push(exit),
  })
  return { child, out: () => out, err: () => err, exits, drains: () => drained }
}

/** A process that has ended and that nobody has waited for (in a container without init) is not alive. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'latin1' }).startsWith('Z')
  } catch {
    return false
  }
}

export function testSpawner(name: string, open: () => Promise<SpawnerRig>): void {
  const opened: SpawnerRig[] = []
  const rig = async (): Promise<Spawner> => {
    const one = await open()
    opened.push(one)
    return one.spawner
  }

  describe(`Spawner contract: ${name}`, () => {
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()))
    })

    it('passes bytes both ways as they are', async () => {
      const { child, out } = run(await rig(), 'process.stdin.pipe(process.stdout)')
      const text = Buffer.from('{"ü":"\u2028"}\n').toString('latin1')
      expect(child.write(`${text}\xff\xfe`)).toBe(true)
      await expect.poll(out).toBe(`${text}\xff\xfe`)
      await child.stop(1_000)
    })

    it('gives the environment and folder of the request, and nothing of its own secrets', async () => {
      process.env['PORTOLAN_TEST_SECRET'] = 'secret'
      const script = 'console.log(JSON.stringify([process.env.A, process.env.PORTOLAN_TEST_SECRET ?? null, process.cwd()]))'
      const { out } = run(await rig(), script, { env: { A: 'x y"$z' }, cwd: '/' })
      await expect.poll(out).toBe('["x y\\"$z",null,"/"]\n')
      delete process.env['PORTOLAN_TEST_SECRET']
    })

    it('tells standard error apart, and says once how it ended, after all its output', async () => {
      const { out, err, exits } = run(await rig(), 'console.error("bad"); console.log("x".repeat(50000)); process.exitCode = 3')
      await expect.poll(() => exits.length).toBe(1)
      expect(out()).toHaveLength(50_001)
      expect(err()).toBe('bad\n')
      expect(exits).toMatchObject([{ code: 3, signal: null, error: undefined }])
    })

    it('says which signal ended it', async () => {
      const { child, exits } = run(await rig(), 'setInterval(() => {}, 1000)')
      process.kill(child.pid, 'SIGKILL')
      await expect.poll(() => exits).toMatchObject([{ signal: 'SIGKILL' }])
    })

    it('says once why it never started, and lets everything be called on it all the same', async () => {
      const { child, exits } = run(await rig(), '', { command: '/nowhere/server' })
      expect(exits, 'not before spawn has returned').toEqual([])
      await expect.poll(() => exits.length).toBe(1)
      expect(exits[0]).toMatchObject({ code: null })
      expect(exits[0]?.error).toContain('/nowhere/server')
      expect(child.pid).toBe(0)
      child.write('x')
      child.pause()
      child.resume()
      await child.stop(10)
      expect(await child.isLeft()).toBe(false)
      expect(exits).toHaveLength(1)
    })

    it('says that the child does not read, and when it does', async () => {
      const { child, drains, exits } = run(await rig(), 'setTimeout(() => process.stdin.resume(), 200)')
      let full = false
      for (let at = 0; at < 100 && !full; at++) full = !child.write('x'.repeat(50_000))
      expect(full).toBe(true)
      await expect.poll(drains, { timeout: 3_000 }).toBeGreaterThan(0)
      await child.stop(1_000)
      expect(exits).toHaveLength(1)
    })

    it('ends a child gently where it heeds the end of its input', async () => {
      const { child, out, exits } = run(await rig(), 'process.stdin.resume().on("end", () => { console.log("bye"); process.exit(0) }); console.log("up")')
      await expect.poll(out).toBe('up\n')
      await child.stop(5_000)
      expect(out()).toBe('up\nbye\n')
      expect(exits).toMatchObject([{ code: 0 }])
    })

    it('ends a child that heeds nothing, with what it started, before stop resolves', async () => {
      const script = `process.on('SIGTERM', () => {}); process.on('SIGINT', () => {})
        const { spawn } = require('node:child_process')
        const grandchild = spawn(process.execPath, ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000)"], { stdio: 'ignore' })
        console.log(grandchild.pid); setInterval(() => {}, 1000)`
      const { child, out, exits } = run(await rig(), script)
      await expect.poll(out, { timeout: 3_000 }).toMatch(/^\d+\n$/)
      const grandchild = Number(out())
      expect(isAlive(grandchild)).toBe(true)
      expect(await child.isLeft()).toBe(true)
      await Promise.all([child.stop(100), child.stop(100)])
      expect(await child.isLeft()).toBe(false)
      expect(isAlive(child.pid)).toBe(false)
      expect(isAlive(grandchild)).toBe(false)
      expect(exits).toHaveLength(1)
    })

    it.skipIf(process.platform === 'win32')('ends a child whose end has come, with what it started, and no other one', async () => {
      const script = `const { spawn } = require('node:child_process')
        const grandchild = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore', detached: true })
        process.on('SIGTERM', () => {}); console.log(grandchild.pid); setInterval(() => {}, 1000)`
      const spawner = await rig()
      const [ending, moved, other] = [run(spawner, script), run(spawner, script), run(spawner, script)]
      for (const { out } of [ending, moved, other]) await expect.poll(out, { timeout: 5_000 }).toMatch(/^\d+\n$/)
      moved.child.expireIn(200)
      moved.child.expireIn(60_000)
      ending.child.expireIn(200)
      await expect.poll(() => ending.exits, { timeout: 5_000 }).toMatchObject([{ signal: 'SIGKILL' }])
      await expect.poll(() => isAlive(Number(ending.out())), { timeout: 5_000 }).toBe(false)
      expect([moved, other].map(({ child, out }) => isAlive(child.pid) && isAlive(Number(out())))).toEqual([true, true])
      await Promise.all([moved, other].map(({ child }) => child.stop(50)))
    })
  })
}
