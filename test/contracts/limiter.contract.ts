/** What every Limiter must do. */
import { describe, expect, it } from 'vitest'
import type { Admission, Limiter } from '../../src/core/policy/limiter.ts'

export interface LimiterBounds {
  readonly exchanges: number
  readonly exchangesPerOwner: number
}

export function testLimiter(name: string, open: (bounds: LimiterBounds) => Promise<Limiter>): void {
  const admit = async (limiter: Limiter, ownerKey: string): Promise<Admission> => limiter.admit({ ownerKey, upstreamId: '' })

  describe(`Limiter contract: ${name}`, () => {
    it('refuses beyond what may be in flight in all, and says when to come back', async () => {
      const limiter = await open({ exchanges: 2, exchangesPerOwner: 9 })
      const first = await admit(limiter, 'a')
      await admit(limiter, 'b')
      const third = await admit(limiter, 'c')
      expect(third).toMatchObject({ ok: false, fault: { reason: 'overloaded' } })
      if (!third.ok) expect(third.fault.retryAfterSec).toBeGreaterThan(0)
      if (first.ok) first.release()
      expect((await admit(limiter, 'c')).ok).toBe(true)
    })

    it('refuses one owner beyond its share, and nobody else', async () => {
      const limiter = await open({ exchanges: 9, exchangesPerOwner: 1 })
      const first = await admit(limiter, 'a')
      expect((await admit(limiter, 'a')).ok).toBe(false)
      expect((await admit(limiter, 'b')).ok).toBe(true)
      if (first.ok) first.release()
      expect((await admit(limiter, 'a')).ok).toBe(true)
    })

    it('takes a release once, however often it is called', async () => {
      const limiter = await open({ exchanges: 2, exchangesPerOwner: 9 })
      const first = await admit(limiter, 'a')
      await admit(limiter, 'a')
      if (first.ok) first.release()
      if (first.ok) first.release()
      expect((await admit(limiter, 'a')).ok).toBe(true)
      expect((await admit(limiter, 'a')).ok).toBe(false)
    })

    it('does not count what it refused', async () => {
      const limiter = await open({ exchanges: 1, exchangesPerOwner: 1 })
      const first = await admit(limiter, 'a')
      for (let at = 0; at < 5; at++) await admit(limiter, 'a')
      if (first.ok) first.release()
      expect((await admit(limiter, 'a')).ok).toBe(true)
    })
  })
}
