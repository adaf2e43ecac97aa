/** The store's clock, carried on from what it said last: replicas' own clocks differ, and may jump. */

import type { Clock } from '../clock.ts'

export interface StoreTime {
  note(nowMs: number): void
  nowMs(): number
}

export function createStoreTime(clock: Pick<Clock, 'nowMs' | 'ticksMs'>): StoreTime {
  let said = clock.nowMs()
  let ticks = clock.ticksMs()
  return {
    note(nowMs) {
      said = nowMs
      ticks = clock.ticksMs()
    },
    nowMs: () => said + Math.floor(clock.ticksMs() - ticks),
  }
}
