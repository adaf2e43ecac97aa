/** Which processes stem from a child, as far as the system tells: /proc on Linux, elsewhere nothing beyond the group. */
import { readFile, readdir } from 'node:fs/promises'

export interface Kin {
  /** The child's pid; children lead their session. */
  readonly sessionId: number
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
  for (let from = 0; from < pids.length; from += AT_ONCE) {
    const some = pids.slice(from, from + AT_ONCE)
    const isKin = await Promise.all(some.map((pid) => belongs(pid, kin)))
    found.push(...some.filter((_pid, index) => isKin[index] === true))
  }
  return found
}

async function belongs(pid: number, { sessionId, marker }: Kin): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(unlessShort(''))
  // The command's name may hold anything, so the fields are counted from the last parenthesis.
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (state === undefined || state === '' || state === 'Z' || state === 'X') return false
  if (Number(session) === sessionId) return true
  const environ = await readFile(`/proc/${pid}/environ`, 'latin1').catch(unlessShort(''))
  return environ.split('\0').includes(marker)
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
