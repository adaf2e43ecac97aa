/** The store's clock, carried on from what it said last: replicas' own clocks differ, and may jump. */

import type { Clock } from '../clock.ts'

export interface StoreTime {
  /** What it said in an answer to what was asked at these ticks. */
  note(nowMs: number, askedAtTicks: number): void
  ticksMs(): number
  nowMs(): number
}

export function createStoreTime(clock: Pick<Clock, 'nowMs' | 'ticksMs'>): StoreTime {
  let said = clock.nowMs()
  let ticks = clock.ticksMs()
  return {
    note(nowMs, askedAtTicks) {
      said = nowMs
      ticks = askedAtTicks
    },
    ticksMs: () => clock.ticksMs(),
    nowMs: () => said + Math.floor(clock.ticksMs() - ticks),
  }
}
