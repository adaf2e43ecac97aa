/**
 * Children on node:child_process: each leads a session of its own, is capped, is reaped, and ends with Portolan, with
 * everything that it started (design §7.7). On Windows there are no groups: only the child itself is ended there.
 */
import { spawn } from 'node:child_process'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { failedChild } from '../../core/upstream/spawner.ts'
import type { Child, ChildHandler, SpawnRequest, Spawner } from '../../core/upstream/spawner.ts'
import { DEFAULT_CAPS, findWrapper, prepareCommand } from './command.ts'
import type { ChildCaps } from './command.ts'
import { findKin, isGroupAlive, signal, startedTicksOf } from './process-table.ts'
import type { Kin } from './process-table.ts'
import { createWatcher } from './watcher.ts'
import type { Watcher } from './watcher.ts'

export interface SpawnerOptions {
  readonly caps?: ChildCaps
}

export interface ClosableSpawner extends Spawner {
  /** Ends every child that is left, and the watcher. */
  close(): Promise<void>
}

const isWindows = process.platform === 'win32'
/** In the environment of every child, so that what it starts can be found whatever it does to its group and session. */
const MARKER = 'PORTOLAN_CHILD'
/** Grandchildren may hold stdout open after the child has gone. */
const FLUSH_MS = 250
const LEFTOVER_GRACE_MS = 1_000

export function createSpawner(options: SpawnerOptions = {}): ClosableSpawner {
  const { caps = DEFAULT_CAPS } = options
  const owner = randomUUID()
  const children = new Set<Child>()
  let watcher: Watcher | undefined
  let wrapper: readonly string[] | undefined
  let count = 0

  function start(request: SpawnRequest, handler: ChildHandler): Child {
    if (!isWindows && watcher === undefined) {
      watcher = createWatcher(`${MARKER}=${owner}.`)
      wrapper = findWrapper(caps)
    }
    const command = prepareCommand(request, caps, wrapper)
    if (!command.ok) return failedChild(command.error, handler)
    count += 1
    // It ends with a point, so that no marker begins with another one.
    const marker = `${owner}.${count}.`
    try {
      const spawned = spawn(command.file, command.args, {
        cwd: request.cwd,
        env: { ...request.env, [MARKER]: marker },
        detached: !isWindows,
        stdio: ['pipe', 'pipe', 'pipe'],
        windowsHide: true,
      })
      const child = createChild(spawned, { handler, watcher, marker: `${MARKER}=${marker}`, onGone: () => children.delete(child) })
      children.add(child)
      return child
    } catch (error) {
      // Arguments with NUL bytes and the like.
      return failedChild(error instanceof Error ? error.message : 'cannot be started', handler)
    }
  }

  return {
    spawn: start,
    async close() {
      await Promise.all([...children].map((child) => child.stop(LEFTOVER_GRACE_MS)))
      watcher?.close()
    },
  }
}

interface ChildContext {
  readonly handler: ChildHandler
  readonly watcher: Watcher | undefined
  readonly marker: string
  readonly onGone: () => void
}

function createChild(child: ChildProcessWithoutNullStreams, context: ChildContext): Child {
  const { handler, watcher, marker, onGone } = context
  const pid = child.pid ?? 0
  const kin: Kin = { sessionId: pid, startedTicks: pid === 0 ? undefined : startedTicksOf(pid), marker }
  let exit: { code: number | null; signal: string | null } | undefined
  let isReported = false
  let stopping: Promise<void> | undefined
  const exited = Promise.withResolvers<void>()

  if (pid !== 0) watcher?.add(pid)
  child.stdout.on('data', (chunk: Buffer) => handler.onStdout(chunk))
  child.stderr.on('data', (chunk: Buffer) => handler.onStderr(chunk))
  child.stdin.on('drain', () => handler.onDrain())
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => undefined)

  function report(error?: string): void {
    if (isReported) return
    isReported = true
    handler.onExit({ code: exit?.code ?? null, signal: exit?.signal ?? null, error })
  }

  child.on('error', (error) => {
    // Also comes from a failed kill or write; only a child without a pid never started.
    if (pid !== 0) return
    exited.resolve()
    onGone()
    report(error.message)
  })
  child.on('exit', (code, signalName) => {
    exit = { code, signal: signalName }
    exited.resolve()
    setTimeout(report, FLUSH_MS).unref()
    // What it leaves behind has no owner any more.
    stop(0).catch(() => undefined)
  })
  child.on('close', () => report())

  async function isAnyoneLeft(): Promise<boolean> {
    if (pid === 0) return false
    if (isWindows) return exit === undefined
    // Where processes can be listed, zombies do not count: in a container nobody may ever await them.
    if (process.platform !== 'linux') return isGroupAlive(pid)
    return await findKin(kin).then((found) => found.length > 0, () => true)
  }

  async function signalAll(name: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    signal(-pid, name)
    for (const other of await findKin(kin).catch(() => [])) signal(other, name)
  }

  async function awaitEnd(graceMs: number): Promise<boolean> {
    const end = performance.now() + graceMs
    for (let pauseMs = 5; await isAnyoneLeft(); pauseMs = Math.min(100, pauseMs * 2)) {
      const leftMs = end - performance.now()
      if (leftMs <= 0) return false
      await sleep(Math.min(pauseMs, leftMs))
    }
    return true
  }

  async function run(graceMs: number): Promise<void> {
    if (pid === 0) return
    child.stdin.end()
    if (isWindows) {
      await Promise.race([exited.promise, sleep(graceMs)])
      if (exit === undefined) child.kill()
      return await exited.promise
    }
    await Promise.race([exited.promise, sleep(graceMs, undefined, { ref: false })])
    if (await isAnyoneLeft()) {
      await signalAll('SIGTERM')
      // What survives SIGKILL hangs in the kernel: nothing more can be done for it. Whoever must not run beside it asks whether it is left.
      let waitMs = exit === undefined ? graceMs : LEFTOVER_GRACE_MS
      for (let tries = 0; tries < 5 && !(await awaitEnd(waitMs)); tries += 1) {
        await signalAll('SIGKILL')
        waitMs = 500
      }
    }
    await Promise.race([exited.promise, sleep(5_000, undefined, { ref: false })])
    watcher?.remove(pid)
    onGone()
  }

  function stop(graceMs: number): Promise<void> {
    stopping ??= run(graceMs)
    return stopping
  }

  return {
    pid,
    write: (text) => (child.stdin.writable ? child.stdin.write(text, 'latin1') : true),
    pause: () => void child.stdout.pause(),
    resume: () => void child.stdout.resume(),
    expireIn: (ms) => watcher?.expire(pid, ms, marker) ?? true,
    stop,
    isLeft: isAnyoneLeft,
  }
}
