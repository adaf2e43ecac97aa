/** How many files and sockets a process may have open: each connection and each pipe of a child is one. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import { ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'

const LEAST = 512
const ENOUGH = 4_096

export const openFilesCheck: Check = {
  id: 'open-files',
  looksAt: 'how many files and sockets the process may have open',
  run({ procPath }) {
    const limit = readLimit(procPath)
    return [limit === undefined ? skipped('The system does not tell.') : openFilesFinding(limit)]
  },
}

function openFilesFinding(limit: number): Finding {
  const next = 'ulimit -n 65536 && portolan up'
  const service = 'In a systemd unit it is LimitNOFILE.'
  if (limit < LEAST) return problem('', `Only ${limit} files and sockets may be open: a few dozen clients take all of them. ${service}`, next)
  if (limit < ENOUGH) return warning('', `${limit} files and sockets may be open: every session with a stream takes one, every child process three. ${service}`, next)
  return ok('', Number.isFinite(limit) ? `${limit} may be open.` : 'There is no limit.')
}

/** Node.js raises its soft limit to the hard one as it starts, so the hard one counts. */
function readLimit(procPath: string): number | undefined {
  try {
    const limits = readFileSync(join(procPath, 'self/limits'), 'latin1')
    const hard = /^Max open files +\S+ +(\d+|unlimited)/m.exec(limits)?.[1]
    if (hard !== undefined) return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard)
  } catch {
    // No /proc: the shell tells.
  }
  if (process.platform === 'win32') return undefined
  const said = spawnSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8', timeout: 2_000 }).stdout.trim()
  return said === 'unlimited' ? Number.POSITIVE_INFINITY : /^\d+$/.test(said) ? Number(said) : undefined
}
