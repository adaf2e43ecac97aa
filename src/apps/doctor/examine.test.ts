import { describe, expect, it } from 'vitest'
import { doctorRig } from '../../../test/doctor-rig.ts'
import { ok } from './check.ts'
import type { Check } from './check.ts'
import { CHECKS } from './checks.ts'
import { examine } from './examine.ts'

const rig = doctorRig()
const check = (id: string, run: Check['run']): Check => ({ id, looksAt: id, run })

describe('the examination', () => {
  it('runs checks at once: one that hangs or fails costs the others nothing', async () => {
    const checks = [
      check('hangs', () => new Promise(() => undefined)),
      check('throws', () => {
        throw new Error('broken')
      }),
      check('good', () => [ok('', 'Good.')]),
    ]
    const ended: string[] = []
    const startedMs = performance.now()
    const examined = await examine(rig.context({}), { checks, limitMs: 200, onEnd: (one) => ended.push(one.check.id) })
    expect(performance.now() - startedMs).toBeLessThan(2_000)
    expect(ended.toSorted()).toEqual(['good', 'hangs', 'throws'])
    expect(ended.at(-1)).toBe('hangs')
    expect(examined.map(({ verdict }) => verdict)).toEqual(['warning', 'warning', 'ok'])
    expect(examined[0]?.findings[0]).toMatchObject({ explanation: 'The check did not end within 0.2 s.', next: 'portolan doctor --only hangs --time-limit 1' })
    expect(examined[1]?.findings[0]?.explanation).toContain('broken')
  })

  it('knows each check by one id', () => {
    expect(new Set(CHECKS.map(({ id }) => id)).size).toBe(CHECKS.length)
  })
})
