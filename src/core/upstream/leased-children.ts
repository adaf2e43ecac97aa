/** A spawner whose children end when the right to run them does, whatever becomes of this process. */

import type { Clock } from '../clock.ts'
import { failedChild } from './spawner.ts'
import type { Child, Spawner } from './spawner.ts'

export interface LeasedChildren {
  readonly spawner: Spawner
  /** All of them end in `ms` from now, unless that is said again before. */
  expireIn(ms: number): void
  /**
   * Resolves when those that were told to end, or have exited, were ended with all that they left: a wrapper (npx, `sh -c`) may go
   * before the server that it started. False: something survives SIGKILL, and is looked for on.
   */
  ended(): Promise<boolean>
  /** Resolves when nothing of them is left, however long that takes. */
  gone(): Promise<void>
}

/** What hangs in the kernel may hang for long. */
const LOOK_MS = 1_000

/** `leftMs`: how long the right lasts for a child that is started now. */
export function leaseChildren(spawner: Spawner, clock: Clock, leftMs: () => number): LeasedChildren {
  const children = new Set<Child>()
  /** With whether something of it survived. */
  const leaving = new Map<Child, Promise<boolean>>()
  const waiting = new Set<() => void>()

  /** What cannot be found out is taken for left. */
  const isLeft = (child: Child): Promise<boolean> => child.isLeft().catch(() => true)

  function leave(child: Child, graceMs: number): void {
    if (!leaving.has(child)) seeOff(child, child.stop(graceMs).then(() => isLeft(child), () => true))
  }

  function seeOff(child: Child, looked: Promise<boolean>): void {
    leaving.set(child, looked)
    void looked.then((survives) => {
      if (survives) return void clock.after(LOOK_MS, () => seeOff(child, isLeft(child)))
      children.delete(child)
      leaving.delete(child)
      if (leaving.size > 0) return
      for (const run of waiting) run()
      waiting.clear()
    })
  }

  /** What nothing would end in time must not live. */
  function expire(child: Child, ms: number): void {
    if (!child.expireIn(ms)) leave(child, 0)
  }

  return {
    spawner: {
      spawn(request, handler) {
        const ms = leftMs()
        if (ms === 0) return failedChild('another replica is to run the server', handler)
        const child = spawner.spawn(request, {
          ...handler,
          onExit(exit) {
            leave(child, 0)
            handler.onExit(exit)
          },
        })
        children.add(child)
        expire(child, ms)
        return {
          ...child,
          stop(graceMs) {
            leave(child, graceMs)
            return child.stop(graceMs)
          },
        }
      },
    },
    expireIn(ms) {
      for (const child of children) expire(child, ms)
    },
    ended: async () => !(await Promise.all(leaving.values())).includes(true),
    async gone() {
      while (leaving.size > 0) await new Promise<void>((resolve) => void waiting.add(resolve))
    },
  }
}
