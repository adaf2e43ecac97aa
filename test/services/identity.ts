/** As whom a service runs that refuses to run as root. */
import { readFileSync } from 'node:fs'

export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** Undefined where these tests are not root: as the same user then. */
export function unprivileged(user: string): Identity | 'missing' | undefined {
  if (process.getuid?.() !== 0) return undefined
  const fields = readFileSync('/etc/passwd', 'utf8').split('\n').map((line) => line.split(':')).find(([name]) => name === user)
  return fields === undefined ? 'missing' : { uid: Number(fields[2]), gid: Number(fields[3]) }
}
