/** What a start waits for, told once it has waited so long that whoever started it wonders. */

import type { Clock } from '../../core/clock.ts'
import type { Log } from './log.ts'

export interface StartWait {
  /** What is waited for from now on, and why it is not there yet, as far as that is known. The same again goes on. */
  readonly on: (what: string, reason?: string) => void
  /** Nothing is waited for any more. */
  readonly done: () => void
}

/** Most starts are over before. */
const PATIENCE_MS = 2_000

export function createStartWait(clock: Clock, log: Log): StartWait {
  let awaited = ''
  let known = ''
  let cancel = (): void => undefined
  const tell = (): void => log.warn(known === '' ? {} : { reason: known }, `Waiting for ${awaited}`)
  return {
    on(what, reason = '') {
      known = reason
      if (what === awaited) return
      cancel()
      awaited = what
      cancel = clock.after(PATIENCE_MS, tell)
    },
    done() {
      cancel()
      awaited = ''
    },
  }
}
