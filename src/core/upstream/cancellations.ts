/** Cancellations on their way to a server: a session ends only when the server has heard which of its calls are cancelled. */
import type { Clock } from '../clock.ts'

export interface Cancellations {
  add(sent: Promise<void>): void
  /** Resolves once all are heard, or nobody should wait any longer; undefined where there are none. */
  heard(): Promise<void> | undefined
}

/** The end of a session may wait so long. */
const WAIT_MS = 1_000

export function createCancellations(clock: Clock): Cancellations {
  const underWay = new Set<Promise<void>>()
  return {
    add(sent) {
      const cancelling = sent.catch(() => undefined)
      underWay.add(cancelling)
      void cancelling.then(() => underWay.delete(cancelling))
    },
    heard() {
      if (underWay.size === 0) return undefined
      const late = Promise.withResolvers<void>()
      const stop = clock.after(WAIT_MS, late.resolve)
      return Promise.race([Promise.all(underWay), late.promise]).then(stop)
    },
  }
}
