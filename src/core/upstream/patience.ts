/**
 * How long many wait for one: where several servers are asked at once, a slow one may hold the others up once, for a
 * short while, and not again before it has answered (design §7.6).
 */
import type { Clock } from '../clock.ts'
import type { Upstream } from './upstream.ts'

/** Enough for a server that is just being started. */
const PATIENCE_MS = 3_000

/** When each server that owes an answer was first waited for. */
const owingSinceTicks = new WeakMap<Upstream, number>()

/** What `promise` resolves with; undefined where it rejects, or where the server's time is up. Never rejects. */
export async function inTime<T>(upstream: Upstream, clock: Clock, promise: Promise<T>): Promise<T | undefined> {
  const sinceTicks = owingSinceTicks.get(upstream) ?? clock.ticksMs()
  owingSinceTicks.set(upstream, sinceTicks)
  const answer = promise.then(
    (value) => {
      owingSinceTicks.delete(upstream)
      return value
    },
    () => {
      // Who refuses at once is not slow; who kept everybody waiting first is not waited for again.
      if (clock.ticksMs() - sinceTicks < PATIENCE_MS) owingSinceTicks.delete(upstream)
      return undefined
    },
  )
  let cancel = (): void => {}
  const end = new Promise<undefined>((resolve) => {
    cancel = clock.after(sinceTicks + PATIENCE_MS - clock.ticksMs(), () => resolve(undefined))
  })
  const first = await Promise.race([answer, end])
  cancel()
  return first
}
