/**
 * Ctrl-C (SIGINT) and SIGTERM: the first aborts what runs, so that the server is told; the second ends the process at once.
 * The terminal is restored either way. During a question Ctrl-C is a key, and cancels only the question.
 */

import type { Terminal } from './terminal.ts'

export interface Interrupt {
  /** Aborted by the first signal; its reason is an `InterruptedError`. */
  readonly signal: AbortSignal
  /** 130 after SIGINT, 143 after SIGTERM; undefined before. Set it as `process.exitCode` when the call has ended. */
  readonly exitCode: () => number | undefined
  /** No longer listens: the default of the signals is back. */
  readonly close: () => void
}

export class InterruptedError extends Error {
  override readonly name = 'InterruptedError'
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const
/** `npm run` and the like pass on the signal that the terminal has sent already: the second of such a pair is no second wish. */
const SAME_KEY_MS = 500

export function createInterrupt(terminal: Pick<Terminal, 'close'>): Interrupt {
  const controller = new AbortController()
  let exitCode: number | undefined
  let firstAtMs = 0
  const onSignal = (signal: keyof typeof EXIT_CODES): void => {
    if (exitCode === undefined) {
      exitCode = EXIT_CODES[signal]
      firstAtMs = performance.now()
      controller.abort(new InterruptedError('Interrupted'))
      return
    }
    if (performance.now() - firstAtMs < SAME_KEY_MS) return
    terminal.close()
    process.exit(exitCode)
  }
  const onInt = (): void => onSignal('SIGINT')
  const onTerm = (): void => onSignal('SIGTERM')
  process.on('SIGINT', onInt)
  process.on('SIGTERM', onTerm)
  const close = (): void => {
    process.off('SIGINT', onInt)
    process.off('SIGTERM', onTerm)
  }
  return { signal: controller.signal, exitCode: () => exitCode, close }
}
