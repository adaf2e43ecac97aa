/**
 * The bridge matrix: every client at servers of every era and transport, every behaviour. `MATRIX_WRITE=1` writes docs/bridge-matrix.md
 * from a good run; without it the page must be what the run gives. `MATRIX_ONLY=raw-modern/1,sse/1` runs these clients alone.
 */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readDocument } from '../document.ts'
import { GROUPS } from '../matrix/behaviours.ts'
import { CLIENTS, SDK1, SDK2 } from '../matrix/clients.ts'
import { matrixPage, matrixText } from '../matrix/page.ts'
import { cellKey, runMatrix, seatKey, upstreamsOf } from '../matrix/run.ts'
import type { Ended, Seat } from '../matrix/run.ts'
import { startSetting } from '../matrix/setting.ts'

const RUN_TIMEOUT_MS = 400_000
const FAR: readonly Seat[] = [SDK1, SDK2].flatMap((client) => [{ client, hops: 3 }, { client, hops: 3, isTurning: true }])
const ALL: readonly Seat[] = [...CLIENTS.map((client) => ({ client, hops: 1 })), ...FAR]
const only = (process.env['MATRIX_ONLY'] ?? '').split(',').filter((part) => part !== '')
const SEATS = ALL.filter((seat) => only.length === 0 || only.includes(seatKey(seat)))

let results: ReadonlyMap<string, Ended> = new Map()
beforeAll(async () => {
  const setting = await startSetting()
  try {
    results = await runMatrix(GROUPS, SEATS, setting)
  } finally {
    if ([...results.values()].some(({ error }) => error !== undefined)) console.log(`The gateway in front of the servers said:\n${setting.near.stderr().slice(-8_000)}`)
    await setting.stop()
  }
}, RUN_TIMEOUT_MS)
afterAll(() => {
  if (process.env['npm_lifecycle_event'] === 'matrix') console.log(matrixText(GROUPS, SEATS, results))
  const isGood = [...results.values()].every(({ error }) => error === undefined)
  if (isGood && only.length === 0 && process.env['MATRIX_WRITE'] !== undefined) writeFileSync(new URL('../../docs/bridge-matrix.md', import.meta.url), matrixPage(GROUPS, SEATS, results))
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
    if (process.env['MATRIX_WRITE'] !== undefined || only.length > 0) return
    expect(readDocument('docs/bridge-matrix.md')).toBe(matrixPage(GROUPS, SEATS, results))
  })
})
