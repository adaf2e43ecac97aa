/** What every Hints must do. `settle` waits for as long as a hint may take. */
import { describe, expect, it } from 'vitest'
import type { Hint, Hints } from '../../src/core/event/hints.ts'

export interface HintsRig {
  /** Two ends: one and the same in one process, two connections elsewhere. */
  readonly near: Hints
  readonly far: Hints
  settle(): Promise<void>
}

export function testHints(name: string, open: () => Promise<HintsRig>): void {
  describe(`Hints contract: ${name}`, () => {
    it('wakes whoever subscribed to the topic, and nobody else', async () => {
      const { near, far, settle } = await open()
      const got: Hint[] = []
      far.subscribe('a', (hint) => got.push(hint))
      near.subscribe('a', (hint) => got.push(hint))
      far.subscribe('b', (hint) => got.push(hint))
      near.publish({ topic: 'a', revision: '7' })
      near.publish({ topic: 'nobody', revision: '1' })
      await settle()
      expect(got).toEqual([
        { topic: 'a', revision: '7' },
        { topic: 'a', revision: '7' },
      ])
    })

    it('does not wake the publisher in mid-sentence', async () => {
      const { near, settle } = await open()
      let woken = false
      near.subscribe('a', () => (woken = true))
      near.publish({ topic: 'a', revision: '1' })
      expect(woken).toBe(false)
      await settle()
      expect(woken).toBe(true)
    })

    it('wakes nobody who unsubscribed, even after the hint went out', async () => {
      const { near, far, settle } = await open()
      let woken = 0
      const stop = far.subscribe('a', () => woken++)
      far.subscribe('a', () => (woken += 10))
      near.publish({ topic: 'a', revision: '1' })
      stop()
      stop()
      await settle()
      expect(woken).toBe(10)
    })
  })
}
