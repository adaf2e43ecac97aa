/** For how long a process that is told to end goes on as before, but for its readiness: `--drain-delay`, else `PORTOLAN_DRAIN_DELAY`, else the configuration. */

import type { Env } from './config-file.ts'
import type { PortolanOptions } from './config-schema.ts'
import { DEFAULTS, MAX_DRAIN_DELAY_MS } from './config-schema.ts'
import { flagProblem } from './flag-text.ts'

/** As the command line has it. */
export interface DrainFlags {
  readonly drainDelay?: string
}

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000 }

/** Throws ConfigError. */
export function drainDelayMsOf({ drainDelay }: DrainFlags, env: Env, options: PortolanOptions): number {
  const text = drainDelay ?? env['PORTOLAN_DRAIN_DELAY']
  if (text === undefined || text === '') return options.listen?.drainDelayMs ?? DEFAULTS.listen.drainDelayMs
  const [, count = '', unit = ''] = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m)$/.exec(text) ?? []
  const delayMs = text === '0' ? 0 : Math.round(Number(count) * (UNIT_MS[unit] ?? Number.NaN))
  if (delayMs >= 0 && delayMs <= MAX_DRAIN_DELAY_MS) return delayMs
  throw flagProblem('--drain-delay', `${text} is no time from 0 to 10m`, 'Give it as 500ms, 15s or 2m')
}
