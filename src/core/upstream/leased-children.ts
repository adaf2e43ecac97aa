/** A spawner whose children end when the right to run them does, whatever becomes of this process. */

import { failedChild } from './spawner.ts'
import type { Child, Spawner } from './spawner.ts'

export interface LeasedChildren {
  readonly spawner: Spawner
  /** All of them end in `ms` from now, unless that is said again before. */
  expireIn(ms: number): void
  /** Resolves when nothing is left of those that have exited: a wrapper (npx, `sh -c`) may go before the server that it started. */
  gone(): Promise<void>
}

/** `leftMs`: how long the right lasts for a child that is started now. */
export function leaseChildren(spawner: Spawner, leftMs: () => number): LeasedChildren {
  const children = new Set<Child>()
  const leaving = new Set<Promise<void>>()

  function leave(child: Child): void {
    const left = child.stop(0).finally(() => {
      children.delete(child)
      leaving.delete(left)
    })
    leaving.add(left)
  }

  /** What nothing would end in time must not live. */
  function expire(child: Child, ms: number): void {
    if (!child.expireIn(ms)) leave(child)
  }

  return {
    spawner: {
      spawn(request, handler) {
        const ms = leftMs()
        if (ms === 0) return failedChild('another replica is to run the server', handler)
        const child = spawner.spawn(request, {
          ...handler,
          onExit(exit) {
            leave(child)
            handler.onExit(exit)
          },
        })
        children.add(child)
        expire(child, ms)
        return child
      },
    },
    expireIn(ms) {
      for (const child of children) expire(child, ms)
    },
    gone: () => Promise.all(leaving).then(() => undefined),
  }
}
