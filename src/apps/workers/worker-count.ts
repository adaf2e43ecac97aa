/** How many processes serve: `--workers`, else `PORTOLAN_WORKERS`, else one. */

import { availableParallelism } from 'node:os'
import type { Env } from '../gateway/config-file.ts'
import { flagProblem } from '../gateway/flag-text.ts'

/** More than any machine of today has cores for. */
const MAX_WORKERS = 256

/** Throws ConfigError. `auto` is one for each core that this process may use. */
export function workerCountOf(flag: string | undefined, env: Env, platform = process.platform, coreCount = availableParallelism()): number {
  const text = flag ?? env['PORTOLAN_WORKERS'] ?? '1'
  const count = text === 'auto' ? Math.min(coreCount, MAX_WORKERS) : Number(text)
  if (!/^(?:auto|[1-9]\d{0,2})$/.test(text) || count > MAX_WORKERS) throw flagProblem('--workers', `${text} is no number of workers`, `Give a number from 1 to ${MAX_WORKERS}, or auto for one on each core`)
  // Workers reach each other over unix sockets that are files.
  if (count > 1 && platform === 'win32') throw flagProblem('--workers', 'Windows has no unix sockets in folders', 'Leave it out, or run replicas over a database')
  return count
}
