/** Runs what is given to it in order, a few at a time. What fails is its own affair. */
export function createPacer(width: number): (run: () => Promise<unknown>) => void {
  const waiting: (() => Promise<unknown>)[] = []
  let running = 0
  const next = (): void => {
    const run = running < width ? waiting.shift() : undefined
    if (run === undefined) return
    running += 1
    const done = (): void => {
      running -= 1
      next()
    }
    run().then(done, done)
  }
  return (run) => {
    waiting.push(run)
    next()
  }
}
