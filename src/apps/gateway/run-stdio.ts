/** The composition root of `portolan stdio`: the same gateway, in the process that the client launched. */

import type { Env } from './config-file.ts'
import type { Log } from './log.ts'

export interface StdioOptions {
  readonly configPath: string | undefined
  readonly dataPath: string
  readonly env: Env
  readonly log: Log
}

/** Resolves when the client has closed standard input, or a signal came, and everything is closed. */
export async function runStdio(_options: StdioOptions): Promise<void> {
  throw new Error('portolan stdio is not wired yet')
}
