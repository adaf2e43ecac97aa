/**
 * The bridge matrix: every client at servers of every era and transport, every behaviour. `MATRIX_WRITE=1` writes docs/bridge-matrix.md
 * from the run; without it the page must be what the run gives.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDocument } from '../document.ts'
import { GROUPS } from '../matrix/behaviours.ts'
import { CLIENTS, SDK1, SDK2 } from '../matrix/clients.ts'
import { matrixPage } from '../matrix/page.ts'
import { cellKey, runMatrix, seatKey, upstreamsOf } from '../matrix/run.ts'
import type { Ended, Seat } from '../matrix/run.ts'
import { startSetting } from '../matrix/setting.ts'

const RUN_TIMEOUT_MS = 400_000
const SEATS: readonly Seat[] = [...CLIENTS.map((client) => ({ client, hops: 1 })), { client: SDK1, hops: 3 }, { client: SDK2, hops: 3 }]

let results: ReadonlyMap<string, Ended> = new Map()
beforeAll(async () => {
  const only = (process.env['MATRIX_ONLY'] ?? '').split(',').filter((part) => part !== '')
  const setting = await startSetting()
  try {
    results = await runMatrix(GROUPS, SEATS.filter((seat) => only.length === 0 || only.includes(seatKey(seat))), setting)
  } finally {
    if (process.env['MATRIX_DEBUG'] !== undefined) console.log(setting.near.stderr().slice(-4000))
    await setting.stop()
  }
}, RUN_TIMEOUT_MS)
afterAll(() => {
  if (process.env['MATRIX_WRITE'] !== undefined) writeFileSync(new URL('../../docs/bridge-matrix.md', import.meta.url), matrixPage(GROUPS, SEATS, results))
})

describe.each(SEATS.map((seat) => [seatKey(seat), seat] as const))('the client %s', (_key, seat) => {
  describe.each(GROUPS.flatMap((group) => group.behaviours.map((behaviour) => [behaviour.id, behaviour] as const)))('%s', (_id, behaviour) => {
    it.each(upstreamsOf(behaviour).map((upstream) => [upstream.title, upstream] as const))('at a server of %s', (_title, upstream) => {
      const ended = results.get(cellKey(seat, upstream, behaviour))
      if (ended?.error !== undefined) throw ended.error
      expect(ended?.mark).toMatch(/[✓–]/)
    })
  })
})

describe('docs/bridge-matrix.md', () => {
  it('has each behaviour once', () => {
    const ids = GROUPS.flatMap((group) => group.behaviours.map(({ id }) => id))
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('is what this run gives (MATRIX_WRITE=1 npm run matrix writes it)', () => {
    if (process.env['MATRIX_WRITE'] !== undefined) return
    expect(readDocument('docs/bridge-matrix.md')).toBe(matrixPage(GROUPS, SEATS, results))
  })
})
