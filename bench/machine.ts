// The facts about the machine that belong beside figures: no host name, no paths, no user.
import { execFileSync } from 'node:child_process'
import { arch, availableParallelism, cpus, loadavg, platform, totalmem } from 'node:os'

export type Machine = {
  readonly platform: string
  readonly cpuModel: string
  readonly coreCount: number
  readonly memoryBytes: number
  readonly node: string
  readonly nginx: string | null
  readonly loadAverageAtStart: number
}

/** Reads the facts now; the load average says how busy the machine was before this run. */
export function readMachine(): Machine {
  return {
    platform: `${platform()}-${arch()}`,
    cpuModel: cpus()[0]?.model.trim() ?? 'unknown',
    coreCount: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
    nginx: nginxVersion(),
    loadAverageAtStart: Number((loadavg()[0] ?? 0).toFixed(2)),
  }
}

function nginxVersion(): string | null {
  try {
    return /nginx\/(\S+)/.exec(execFileSync('sh', ['-c', '/usr/sbin/nginx -v 2>&1'], { encoding: 'utf8' }))?.[1] ?? null
  } catch {
    return null
  }
}
