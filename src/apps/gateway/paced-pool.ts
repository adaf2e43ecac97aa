/**
 * Starting a process holds up the event loop (10 to 40 ms where many start on two cores): of children that are wanted at once
 * each gets a turn of its own, so that calls are served in between.
 */

import type { ChildPool } from '../../core/upstream/child-pool.ts'

/** The same pool, whose room is given out one child a turn. A child that is wanted alone does not wait. */
export function pacedPool(pool: ChildPool, nextTurn: (run: () => void) => void = setImmediate): ChildPool {
  const waiting: (() => void)[] = []
  let isTaken = false
  const advance = (): void => {
    const run = waiting.shift()
    isTaken = run !== undefined
    if (run === undefined) return
    run()
    nextTurn(advance)
  }
  const turn = (): Promise<void> | undefined => {
    if (isTaken) return new Promise((resolve) => waiting.push(resolve))
    isTaken = true
    nextTurn(advance)
    return undefined
  }
  return {
    async acquire(request) {
      const slot = await pool.acquire(request)
      await turn()
      return slot
    },
    get size() {
      return pool.size
    },
    close: () => pool.close(),
  }
}
