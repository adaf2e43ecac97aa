import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import type { Child, SpawnRequest } from '../../core/upstream/spawner.ts'
import type { ChildCaps } from './command.ts'
import { prepareCommand } from './command.ts'
import { createSpawner } from './spawner.ts'
import type { ClosableSpawner } from './spawner.ts'

const isLinux = process.platform === 'linux'
const spawners: ClosableSpawner[] = []
afterEach(async () => {
  for (const spawner of spawners.splice(0)) await spawner.close()
})

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
  } catch {
    return false
  }
  return !isLinux || !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

async function awaitDeath(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (!isAlive(pid)) return true
    await sleep(100)
  }
  return false
}

interface Run {
  readonly child: Child
  out: string
  err: string
  drains: number
  readonly exit: Promise<{ code: number | null; signal: string | null; error: string | undefined }>
  line(index: number): Promise<string>
}

function run(request: Partial<SpawnRequest> & { command: string }, caps?: ChildCaps): Run {
  const spawner = createSpawner(caps === undefined ? {} : { caps })
  spawners.push(spawner)
  const exit = Promise.withResolvers<Awaited<Run['exit']>>()
  const state = { out: '', err: '', drains: 0 }
  const child = spawner.spawn({ args: [], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined, ...request }, {
    onStdout: (chunk) => void (state.out += Buffer.from(chunk).toString('latin1')),
    onStderr: (chunk) => void (state.err += Buffer.from(chunk).toString('utf8')),
    onDrain: () => void (state.drains += 1),
    onExit: exit.resolve,
  })
  return Object.assign(state, {
    child,
    exit: exit.promise,
    async line(index: number) {
      for (let tries = 0; tries < 2_000; tries += 1) {
        const found = state.out.split('\n').slice(0, -1)[index]
        if (found !== undefined) return found
        await sleep(10)
      }
      throw new Error('no such line within 20 s')
    },
  })
}

const sh = (script: string, ...args: string[]): { command: string; args: string[] } => ({ command: 'sh', args: ['-c', script, 'sh', ...args] })

describe('spawner', () => {
  it('hands arguments over exactly, whatever stands in them', async () => {
    const odd = ['', ' ', '$HOME', '`id`', "'", '"', '\\', 'a\nb', '*', '-n', '--', 'é']
    const started = run({ command: process.execPath, args: ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', ...odd] })
    expect(JSON.parse(Buffer.from(await started.line(0), 'latin1').toString())).toEqual(odd)
  })

  it('hands over the environment it was given, and one variable more', async () => {
    const env = { PATH: process.env['PATH'] ?? '', A: 'b', 'odd.name-x': 'kept' }
    const started = run({ command: process.execPath, args: ['-e', 'console.log(JSON.stringify(process.env))'], env })
    const seen = JSON.parse(await started.line(0)) as Record<string, string>
    delete seen['PORTOLAN_CHILD']
    for (const name of ['PWD', 'SHLVL', '_', 'OLDPWD']) delete seen[name]
    expect(seen).toEqual(env)
  })

  it('passes bytes both ways and reports the exit', async () => {
    const started = run({ command: 'cat' })
    started.child.write(Buffer.from('é\u2028\n').toString('latin1'))
    expect(await started.line(0)).toBe(Buffer.from('é\u2028').toString('latin1'))
    await started.child.stop(1_000)
    expect(await started.exit).toEqual({ code: 0, signal: null, error: undefined })
  })

  it('reports all output of a child that ends at once', async () => {
    const started = run(sh('echo out; echo err >&2; exit 7'))
    expect(await started.exit).toEqual({ code: 7, signal: null, error: undefined })
    expect([started.out, started.err]).toEqual(['out\n', 'err\n'])
  })

  it('reports what cannot be started by name, and never throws', async () => {
    expect((await run({ command: 'no-such-command' }).exit).error).toBe('command not found: no-such-command')
    expect((await run({ command: 'package.json', env: { PATH: process.cwd() } }).exit).error).toBe('not executable: package.json')
    expect((await run({ command: 'cat', cwd: '/no/such/place' }).exit).error).toBe('no such directory: /no/such/place')
    expect((await run({ command: 'cat', args: ['a\0b'] }).exit).error).toContain('null bytes')
  })

  it('ends a child that ignores the end of its input and SIGTERM', async () => {
    const started = run(sh(`trap '' TERM; echo ready; while :; do sleep 0.1; done`))
    await started.line(0)
    const startMs = performance.now()
    await started.child.stop(200)
    expect(await started.exit).toMatchObject({ signal: 'SIGKILL' })
    expect(performance.now() - startMs).toBeGreaterThan(400)
    expect(isAlive(started.child.pid)).toBe(false)
  })

  it('gives a child that heeds the end of its input the time to do so', async () => {
    const started = run(sh(`trap 'echo TERM' TERM; while read -r _; do :; done; sleep 0.2; echo clean`))
    await sleep(100)
    await started.child.stop(2_000)
    await started.exit
    expect(started.out).toBe('clean\n')
  })

  it('ends grandchildren, also those that left the group and the session', async () => {
    const away = isLinux ? 'setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $!' : 'sleep 300 & echo $!'
    const started = run(sh(`sleep 300 & echo $!; ${away}; cat`))
    const pids = [Number(await started.line(0)), Number(await started.line(1))]
    expect(pids.map(isAlive)).toEqual([true, true])
    await started.child.stop(200)
    expect(pids.map(isAlive)).toEqual([false, false])
  })

  it('ends what a child leaves behind when it exits by itself', async () => {
    const started = run(sh('sleep 300 & echo $!; exit 3'))
    const pid = Number(await started.line(0))
    expect(await started.exit).toMatchObject({ code: 3 })
    expect(await awaitDeath(pid)).toBe(true)
  })

  it('says when its input is full, and when it is not any more', async () => {
    const started = run(sh('sleep 0.3; cat >/dev/null'))
    let isFull = false
    for (let n = 0; n < 100 && !isFull; n += 1) isFull = !started.child.write('x'.repeat(64 * 1024))
    expect(isFull).toBe(true)
    expect(started.drains).toBe(0)
    await sleep(800)
    expect(started.drains).toBe(1)
  })

  it('holds the output back while paused', async () => {
    const started = run(sh('yes 2>/dev/null | head -c 8000000; echo; echo end'))
    started.child.pause()
    await sleep(200)
    const seen = started.out.length
    await sleep(100)
    expect(started.out.length).toBe(seen)
    expect(seen).toBeLessThan(1_000_000)
    started.child.resume()
    await started.exit
    expect(started.out.length).toBeGreaterThan(8_000_000)
  })

  it.runIf(isLinux)('sets the caps, and no core dumps', async () => {
    const started = run(sh('ulimit -n; ulimit -c; ulimit -v'), { openFiles: 123, addressSpaceBytes: 8 * 1024 * 1024 * 1024 })
    await started.exit
    expect(started.out).toBe(`123\n0\n${8 * 1024 * 1024}\n`)
  })

  it('sets the caps by a shell where util-linux is missing, arguments untouched', async () => {
    const prepared = prepareCommand({ command: 'sh', args: ['-c', 'ulimit -n; echo "$1"', 'sh', '$(id) "x'], env: { PATH: '/usr/bin:/bin' }, cwd: undefined }, { openFiles: 99 }, undefined)
    if (!prepared.ok) throw new Error(prepared.error)
    const child = spawn(prepared.file, prepared.args)
    let out = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    await new Promise((resolve) => child.on('close', resolve))
    expect(out).toBe('99\n$(id) "x\n')
  })
})

describe('an owner that can open few files, or none', () => {
  it.runIf(isLinux)('takes a child for left as long as it lives', async () => {
    const script = `
      import { openSync } from 'node:fs'
      const { createSpawner } = await import('${new URL('./spawner.ts', import.meta.url).href}')
      const ignore = () => undefined
      const child = createSpawner().spawn({ command: 'sleep', args: ['300'], env: process.env, cwd: undefined }, { onStdout: ignore, onStderr: ignore, onDrain: ignore, onExit: ignore })
      const few = await child.isLeft()
      try {
        for (;;) openSync('/dev/null')
      } catch ({ code }) {
        console.log(few, code, await child.isLeft())
      }
      process.exit()`
    const owner = spawn('sh', ['-c', 'ulimit -n 99; exec "$@"', 'sh', process.execPath, '--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    owner.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    await new Promise((resolve) => owner.on('close', resolve))
    expect(out).toBe('true EMFILE true\n')
  })
})

describe('the death of the owner', () => {
  const owner = fileURLToPath(new URL('../../../test/fixtures/upstream/owner.ts', import.meta.url))

  async function killOwnerOf(script: string, lines: number): Promise<number[]> {
    const process_ = spawn(process.execPath, [owner, 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
    let out = ''
    process_.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    for (let tries = 0; tries < 2_000 && out.split('\n').length <= lines + 1; tries += 1) await sleep(10)
    const pids = [...out.matchAll(/\d+/g)].map(Number)
    expect(pids.every(isAlive)).toBe(true)
    expect(pids).toHaveLength(lines + 1)
    process_.kill('SIGKILL')
    return pids
  }

  it('by kill -9 ends children and grandchildren', async () => {
    const pids = await killOwnerOf('sleep 300 & echo $!; while :; do sleep 1; done', 1)
    for (const pid of pids) expect(await awaitDeath(pid)).toBe(true)
  }, 20_000)

  it.runIf(isLinux && existsSync('/usr/bin/setsid'))('by kill -9 ends those that ignore SIGTERM and those that left the session', async () => {
    const script = `trap '' TERM; setsid sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & wait`
    const pids = await killOwnerOf(script, 1)
    for (const pid of pids) expect(await awaitDeath(pid)).toBe(true)
  }, 20_000)
})
