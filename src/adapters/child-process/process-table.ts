/** Which processes stem from a child, as far as the system tells: /proc on Linux, elsewhere nothing beyond the group. */
import { readFile, readdir } from 'node:fs/promises'

export interface Kin {
  /** The child's pid; children lead their session. */
  readonly sessionId: number
  /** `NAME=value` in the environment of the child and of what it starts. */
  readonly marker: string
}

/** Processes of the session, or with the marker, that are alive (zombies are not). */
export async function findKin(kin: Kin): Promise<readonly number[]> {
  if (process.platform !== 'linux') return []
  const names = await readdir('/proc').catch(() => [])
  const pids = names.filter((name) => /^\d+$/.test(name)).map(Number)
  const isKin = await Promise.all(pids.map((pid) => belongs(pid, kin)))
  return pids.filter((pid, index) => isKin[index] === true && pid !== process.pid)
}

async function belongs(pid: number, { sessionId, marker }: Kin): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => '')
  // The command's name may hold anything, so the fields are counted from the last parenthesis.
  const [state, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  if (state === undefined || state === '' || state === 'Z' || state === 'X') return false
  if (Number(session) === sessionId) return true
  const environ = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
  return environ.split('\0').includes(marker)
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
