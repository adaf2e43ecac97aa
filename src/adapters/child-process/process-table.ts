/** Which processes stem from a child, as far as the system tells: /proc on Linux, elsewhere nothing beyond the group. */
import { readFileSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'

export interface Kin {
  /** The child's pid; children lead their session. */
  readonly sessionId: number
  /** When the child was started (`startedTicksOf`); undefined where the system does not say. */
  readonly startedTicks: number | undefined
  /** `NAME=value` in the environment of the child and of what it starts. */
  readonly marker: string
}

/** Looked at together: each is an open file. */
const AT_ONCE = 16

/** Processes of the session, or with the marker, that are alive (zombies are not). Rejects where no more files can be opened: then nobody knows. */
export async function findKin(kin: Kin): Promise<readonly number[]> {
  if (process.platform !== 'linux') return []
  const names = await readdir('/proc').catch(unlessShort([]))
  const pids = names.map(Number).filter((pid) => pid > 0 && pid !== process.pid)
  const found: number[] = []
  const sessionId = (await isTakenOver(kin)) ? undefined : kin.sessionId
  for (let from = 0; from < pids.length; from += AT_ONCE) {
    const some = pids.slice(from, from + AT_ONCE)
    const isKin = await Promise.all(some.map((pid) => belongs(pid, sessionId, kin.marker)))
    found.push(...some.filter((_pid, index) => isKin[index] === true))
  }
  return found
}

/** A pid is given anew only when nothing of its session is left: what another process leads under it is none of the child's. */
async function isTakenOver({ sessionId, startedTicks }: Kin): Promise<boolean> {
  if (startedTicks === undefined) return false
  const leader = readStat(await readFile(`/proc/${sessionId}/stat`, 'latin1').catch(unlessShort('')))
  return leader !== undefined && leader.startedTicks !== startedTicks
}

async function belongs(pid: number, sessionId: number | undefined, marker: string): Promise<boolean> {
  const stat = readStat(await readFile(`/proc/${pid}/stat`, 'latin1').catch(unlessShort('')))
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return false
  if (stat.sessionId === sessionId) return true
  const environ = await readFile(`/proc/${pid}/environ`, 'latin1').catch(unlessShort(''))
  return environ.split('\0').includes(marker)
}

/** When a process was started, in ticks since the boot: with its pid it names one process for good. Undefined where it is gone, or there is no /proc. */
export function startedTicksOf(pid: number): number | undefined {
  try {
    return readStat(readFileSync(`/proc/${pid}/stat`, 'latin1'))?.startedTicks
  } catch {
    return undefined
  }
}

interface Stat {
  readonly state: string
  readonly sessionId: number
  readonly startedTicks: number
}

/** proc(5), /proc/[pid]/stat: state is field 3, session 6, starttime 22. Undefined for ''. */
function readStat(text: string): Stat | undefined {
  if (text === '') return undefined
  // The command's name may hold anything, so the fields are counted from the last parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): string => fields[number - 3] ?? ''
  return { state: field(3), sessionId: Number(field(6)), startedTicks: Number(field(22)) }
}

const SHORTAGES: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOMEM'])

/** What cannot be read is gone, or another user's, and then `instead`; but not where nothing can be opened. */
function unlessShort<T>(instead: T): (error: unknown) => T {
  return (error) => {
    if (error instanceof Error && 'code' in error && SHORTAGES.has(String(error.code))) throw error
    return instead
  }
}

/** Whether a process of the group lives (a zombie that nobody has awaited counts on some systems). */
export function isGroupAlive(groupId: number): boolean {
  try {
    process.kill(-groupId, 0)
    return true
  } catch {
    return false
  }
}

/** Signals a process, or a whole group by its negative id; one that is gone is no error. */
export function signal(id: number, name: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(id, name)
  } catch {
    // Gone already.
  }
}
