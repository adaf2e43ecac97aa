/** A spawner whose children end when the right to run them does, whatever becomes of this process. */

import type { Child, Spawner } from './spawner.ts'

export interface LeasedChildren {
  readonly spawner: Spawner
  /** All of them end in `ms` from now, unless that is said again before. */
  expireIn(ms: number): void
}

/** `leftMs`: how long the right lasts for a child that is started now. */
export function leaseChildren(spawner: Spawner, leftMs: () => number): LeasedChildren {
  const children = new Set<Child>()
  return {
    spawner: {
      spawn(request, handler) {
        const child = spawner.spawn(request, {
          ...handler,
          onExit(exit) {
            children.delete(child)
            handler.onExit(exit)
          },
        })
        children.add(child)
        child.expireIn(leftMs())
        return child
      },
    },
    expireIn(ms) {
      for (const child of children) child.expireIn(ms)
    },
  }
}
