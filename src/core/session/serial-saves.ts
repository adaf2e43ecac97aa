/**
 * Of one session, saves follow each other: two at once could arrive in either order, and the older one would stay. What is asked
 * for while one is on its way is one more after it, however often.
 */

export function createSerialSaves<T extends object, Saved>(run: (what: T) => Promise<Saved>): (what: T) => Promise<Saved> {
  const running = new WeakMap<T, Promise<Saved>>()
  const waiting = new WeakMap<T, Promise<Saved>>()

  const start = (what: T): Promise<Saved> => {
    const done = run(what).finally(() => {
      if (running.get(what) === done) running.delete(what)
    })
    running.set(what, done)
    return done
  }
  return (what) => {
    const current = running.get(what)
    if (current === undefined) return start(what)
    const known = waiting.get(what)
    if (known !== undefined) return known
    const next = current.then(() => {
      waiting.delete(what)
      return start(what)
    })
    waiting.set(what, next)
    return next
  }
}
