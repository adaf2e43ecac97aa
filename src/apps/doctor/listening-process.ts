/** Who listens on a TCP port, as far as the system tells: /proc on Linux, nothing elsewhere. */

import { readFile, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'

export interface ListeningProcess {
  readonly pid: number
  /** Program and the first arguments; arguments may hold secrets, so no more than the script's name is kept. */
  readonly name: string
}

const LISTEN = '0A'

/** Undefined where the system does not tell, or the process is another user's. */
export async function findListening(port: number, procPath: string): Promise<ListeningProcess | undefined> {
  const tables = await Promise.all(['net/tcp', 'net/tcp6'].map((table) => readFile(join(procPath, table), 'latin1').catch(() => '')))
  const inodes = new Set(tables.flatMap((table) => listeningInodes(table, port)))
  if (inodes.size === 0) return undefined
  const pids = (await readdir(procPath).catch(() => [])).filter((name) => /^\d+$/.test(name))
  for (const pid of pids) {
    const folder = join(procPath, pid, 'fd')
    for (const fd of await readdir(folder).catch(() => [])) {
      const inode = /^socket:\[(\d+)\]$/.exec(await readlink(join(folder, fd)).catch(() => ''))?.[1]
      if (inode !== undefined && inodes.has(inode)) return { pid: Number(pid), name: await nameOf(pid, procPath) }
    }
  }
  return undefined
}

function listeningInodes(table: string, port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return table.split('\n').flatMap((line) => {
    const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/)
    return state === LISTEN && local.endsWith(`:${wanted}`) ? [inode] : []
  })
}

async function nameOf(pid: string, procPath: string): Promise<string> {
  const words = (await readFile(join(procPath, pid, 'cmdline'), 'utf8').catch(() => '')).split('\0').filter((word) => word !== '')
  const [program = (await readFile(join(procPath, pid, 'comm'), 'utf8').catch(() => 'unknown')).trim(), ...args] = words
  const script = args.find((arg) => !arg.startsWith('-'))
  const base = program.split('/').at(-1) ?? program
  return script === undefined || !/[./]/.test(script) ? base : `${base} ${script}`
}
