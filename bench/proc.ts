// Starts, measures and ends processes. Reads Linux /proc; every process started through a keeper is dead after `stopAll`,
// with everything it started in turn, whichever process group that moved to.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, openSync, closeSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** A line of /proc/<pid>/stat. `startTicks` with the pid identifies a process even when pids are used again. */
export type ProcessStat = { readonly pid: number; readonly parentPid: number; readonly groupId: number; readonly cpuTicks: number; readonly startTicks: number; readonly state: string }

const ticksPerSec = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
const hasTaskset = existsSync('/usr/bin/taskset')

/** The process as /proc has it, or null when it is gone. */
export function readStat(pid: number): ProcessStat | null {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return null
  }
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (index: number): number => Number(fields[index])
  return { pid, state: fields[0] ?? '', parentPid: field(1), groupId: field(2), cpuTicks: field(11) + field(12), startTicks: field(19) }
}

/** `root`, its process group and all its descendants, without `excluded` and what those started. */
export function processTree(root: number, excluded: ReadonlySet<number> = new Set()): ProcessStat[] {
  const all = readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [readStat(Number(name))] : [])).filter((stat) => stat !== null)
  const found = new Map<number, ProcessStat>()
  const take = (stat: ProcessStat): void => {
    if (found.has(stat.pid) || excluded.has(stat.pid)) return
    found.set(stat.pid, stat)
    for (const child of all) if (child.parentPid === stat.pid) take(child)
  }
  const barred = (stat: ProcessStat): boolean => {
    if (excluded.has(stat.pid)) return true
    const parent = all.find((each) => each.pid === stat.parentPid)
    return parent !== undefined && parent.pid !== root && parent.pid > 1 && barred(parent)
  }
  for (const stat of all) if (stat.pid === root || (stat.groupId === root && !barred(stat))) take(stat)
  return [...found.values()]
}

/** CPU microseconds per pid so far (user and system, all threads). The kernel counts in ticks of 10 ms. */
export function cpuUsByPid(stats: readonly ProcessStat[]): Map<number, number> {
  return new Map(stats.map((stat) => [stat.pid, (stat.cpuTicks * 1e6) / ticksPerSec]))
}

/** What was used between two readings; processes that ended in between are not counted. */
export function cpuUsBetween(before: ReadonlyMap<number, number>, after: ReadonlyMap<number, number>): number {
  let sum = 0
  for (const [pid, cpuUs] of after) sum += cpuUs - (before.get(pid) ?? 0)
  return sum
}

/** Sum of a memory field over processes; pages that they share are counted in each. */
export function memoryBytes(pids: Iterable<number>, field: 'VmHWM' | 'VmRSS'): number {
  let sum = 0
  for (const pid of pids) {
    try {
      const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
      sum += Number(match?.[1] ?? 0) * 1024
    } catch {
      continue
    }
  }
  return sum
}

export type StartOptions = {
  readonly command: string
  readonly args: readonly string[]
  /** The CPU it is pinned to, where taskset exists; null leaves it free. */
  readonly core: number | null
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** A file for stdout and stderr; without it both are for the caller to read (stdout) or inherited (stderr). */
  readonly logPath?: string
}

/** A process that a keeper started: the leader of its own process group. */
export type Started = { readonly pid: number; readonly child: ChildProcess; readonly exited: Promise<void>; hasExited(): boolean }

export type Keeper = {
  start(options: StartOptions): Started
  /** Ends it and all it started: SIGTERM, after `graceMs` SIGKILL. */
  stop(started: Started, graceMs?: number): Promise<void>
  /** Ends everything; nothing can be started afterwards. */
  stopAll(): Promise<void>
}

/** Adds the pinning to a command line. */
export function pinned(core: number | null, command: string, args: readonly string[]): [string, ...string[]] {
  return hasTaskset && core !== null ? ['taskset', '-c', String(core), command, ...args] : [command, ...args]
}

/** Owns the processes of a run. */
export function createKeeper(): Keeper {
  const running = new Set<Started>()
  let closed = false
  const stop = async (started: Started, graceMs = 2000): Promise<void> => {
    const members = processTree(started.pid)
    running.delete(started)
    for (const stat of members) if (stat.groupId !== started.pid || stat.pid === started.pid) signal(stat, 'SIGTERM')
    const deadlineMs = performance.now() + graceMs
    while (performance.now() < deadlineMs && members.some(isAlive)) await sleep(20)
    for (const stat of [...members, ...processTree(started.pid)]) if (isAlive(stat)) signal(stat, 'SIGKILL')
    while (members.some(isAlive)) await sleep(10)
  }
  return {
    start(options) {
      if (closed) throw new Error('the run is over')
      const [command, ...args] = pinned(options.core, options.command, options.args)
      const log = options.logPath === undefined ? null : openSync(options.logPath, 'a')
      const child = spawn(command, args, {
        cwd: options.cwd,
        env: options.env ?? process.env,
        detached: true,
        stdio: log === null ? ['pipe', 'pipe', 'inherit'] : ['ignore', log, log],
      })
      if (log !== null) closeSync(log)
      if (child.pid === undefined) throw new Error(`could not start ${options.command}`)
      let over = false
      const exited = new Promise<void>((resolve) => {
        child.once('exit', () => {
          over = true
          resolve()
        })
      })
      const started: Started = { pid: child.pid, child, exited, hasExited: () => over }
      running.add(started)
      return started
    },
    stop,
    async stopAll() {
      closed = true
      await Promise.all([...running].map((started) => stop(started, 1000)))
    },
  }
}

function isAlive(stat: ProcessStat): boolean {
  const now = readStat(stat.pid)
  return now !== null && now.startTicks === stat.startTicks && now.state !== 'Z'
}

function signal(stat: ProcessStat, name: NodeJS.Signals): void {
  if (!isAlive(stat)) return
  try {
    process.kill(stat.pid, name)
  } catch {
    return
  }
}
