/** What every Clock must do. `pass` lets time pass, really or by decree. */
import { describe, expect, it } from 'vitest'
import type { Clock } from '../../src/core/clock.ts'

export interface ClockRig {
  readonly clock: Clock
  pass(ms: number): Promise<void>
}

export function testClock(name: string, open: () => ClockRig): void {
  describe(`Clock contract: ${name}`, () => {
    it('runs what was set once, after its delay and not before', async () => {
      const { clock, pass } = open()
      const setTicks = clock.ticksMs()
      const ranAfterMs: number[] = []
      clock.after(60, () => ranAfterMs.push(clock.ticksMs() - setTicks))
      await pass(10)
      await pass(120)
      expect(ranAfterMs).toHaveLength(1)
      // Timers of the system count whole milliseconds.
      expect(ranAfterMs[0]).toBeGreaterThanOrEqual(59)
    })

    it('does not run what was cancelled, and lets a cancel come too late or twice', async () => {
      const { clock, pass } = open()
      const ran: string[] = []
      const cancel = clock.after(20, () => ran.push('cancelled'))
      const cancelLate = clock.after(20, () => ran.push('run'))
      cancel()
      cancel()
      await pass(60)
      cancelLate()
      expect(ran).toEqual(['run'])
    })

    it('runs what is due sooner first', async () => {
      const { clock, pass } = open()
      const ran: number[] = []
      // Far apart: a busy machine may pause between the two calls.
      clock.after(300, () => ran.push(300))
      clock.after(10, () => ran.push(10))
      await pass(350)
      expect(ran).toEqual([10, 300])
    })

    it('measures what passed by ticks that never go back', async () => {
      const { clock, pass } = open()
      const before = clock.ticksMs()
      await pass(30)
      expect(clock.ticksMs() - before).toBeGreaterThanOrEqual(29)
    })

    it('tells whole milliseconds since the epoch', () => {
      expect(Number.isInteger(open().clock.nowMs())).toBe(true)
    })

    it('waits when the delay is longer than the platform can count', async () => {
      const { clock, pass } = open()
      let ran = false
      const cancel = clock.after(2 ** 40, () => (ran = true))
      await pass(10)
      cancel()
      expect(ran).toBe(false)
    })
  })
}
