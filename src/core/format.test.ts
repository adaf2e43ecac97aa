import { describe, expect, it } from 'vitest'
import { MIGRATIONS } from '../adapters/sql/migrations/migrations.ts'
import { FORMATS, isRead } from './format.ts'
import type { Format } from './format.ts'

interface Release {
  readonly schema: number
  readonly formats: Readonly<Record<keyof typeof FORMATS, Format>>
}

/** What each release reads and writes, the newest last, as literals: a row is added with each release, and none is ever changed. */
const RELEASES: Readonly<Record<string, Release>> = {
  '0.1.0': {
    schema: 2,
    formats: {
      handle: { writes: 1, reads: [1] },
      peer: { writes: 1, reads: [1] },
      exchange: { writes: 1, reads: [1] },
      channel: { writes: 1, reads: [1] },
      hint: { writes: 1, reads: [1] },
    },
  },
}
const before = Object.values(RELEASES).at(-1)
if (before === undefined) throw new Error('no release')

describe('beside the release before', () => {
  it.each(Object.entries(FORMATS))('each reads what the other writes of a %s', (name, format: Format) => {
    const former = before.formats[name as keyof typeof FORMATS]
    expect([isRead(former, format.writes), isRead(format, former.writes), isRead(format, format.writes)]).toEqual([true, true, true])
  })

  it('the schema of this one serves that one', () => {
    expect(MIGRATIONS.at(-1)?.oldestCode).toBeLessThanOrEqual(before.schema)
    expect(MIGRATIONS.length).toBeGreaterThanOrEqual(before.schema)
  })

  it('what is no number of a format is none', () => {
    for (const number of [0, 2, '1', undefined, null, Number.NaN]) expect(isRead(FORMATS.hint, number)).toBe(false)
  })
})
