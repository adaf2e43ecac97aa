/**
 * Of one session, saves follow each other: two at once could arrive in either order, and the older one would stay. What is asked
 * for while one is on its way is one more after it, however often.
 */

export interface SerialSaves<T extends object, Saved> {
  save(what: T): Promise<Saved>
  /** Resolves when none is on its way, and none waits for one that is. */
  settled(): Promise<void>
}

export function createSerialSaves<T extends object, Saved>(run: (what: T) => Promise<Saved>): SerialSaves<T, Saved> {
  const running = new Map<T, Promise<Saved>>()
  const waiting = new Map<T, Promise<Saved>>()

  const start = (what: T): Promise<Saved> => {
    const done = run(what).finally(() => {
      if (running.get(what) === done) running.delete(what)
    })
    running.set(what, done)
    return done
  }
  return {
    save(what) {
      const current = running.get(what)
      if (current === undefined) return start(what)
      const known = waiting.get(what)
      if (known !== undefined) return known
      const begin = (): Promise<Saved> => {
        waiting.delete(what)
        return start(what)
      }
      const next = current.then(begin, begin)
      waiting.set(what, next)
      return next
    },
    async settled() {
      while (running.size > 0 || waiting.size > 0) await Promise.allSettled([...running.values(), ...waiting.values()])
    },
  }
}
