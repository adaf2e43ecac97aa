/** A trial that is seen to go on: a server may take most of a minute to start, and Ctrl+C ends it and what it started. */

import type { ServerTrial } from '../gateway/server-trial.ts'
import { tryAdded } from './add-trial.ts'
import type { TriedServer } from './add-trial.ts'
import { createInterrupt } from './terminal/interrupt.ts'
import { createProgress } from './terminal/progress.ts'
import { createTerminal } from './terminal/terminal.ts'

/** Most servers have answered by then. */
const PATIENCE_MS = 1_500

/** Undefined where Ctrl+C or SIGTERM ended it: the exit code of the process says so then. */
export async function tryShown(server: TriedServer): Promise<ServerTrial | undefined> {
  const terminal = createTerminal(process)
  const interrupt = createInterrupt(terminal)
  const progress = createProgress(terminal)
  let timer: NodeJS.Timeout | undefined
  const onBegin = (limitMs: number): void => {
    const label = `Waiting for ${server.name} to start and to answer, ${Math.round(limitMs / 1_000)} s at most; Ctrl+C ends it`
    timer = setTimeout(() => {
      if (terminal.footer.canDraw) progress.start(label)
      else terminal.err.write(`${label}.\n`)
    }, PATIENCE_MS)
  }
  try {
    const trial = await tryAdded(server, { signal: interrupt.signal, onBegin })
    // Once it has answered, its end is waited for, and heeds no signal.
    return interrupt.signal.aborted ? undefined : trial
  } catch (error) {
    if (interrupt.signal.aborted) return undefined
    throw error
  } finally {
    if (interrupt.signal.aborted) process.exitCode = interrupt.exitCode()
    clearTimeout(timer)
    progress.close()
    interrupt.close()
    terminal.close()
  }
}
