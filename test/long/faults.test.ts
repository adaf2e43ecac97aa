import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openFaultRig } from '../faults/fault-rig.ts'
import type { FaultRig } from '../faults/fault-rig.ts'

const COUNT = 10_000
const FIRST = Number(process.env['PORTOLAN_FAULT_SEED'] ?? Date.now() % 1_000_000_000)
const RESULTS = fileURLToPath(new URL('../../bench/results/', import.meta.url))

let rig: FaultRig
beforeAll(async () => {
  rig = await openFaultRig()
})
afterAll(() => rig.close())

it(`whatever fails: nothing runs twice, nothing hangs, nobody else notices (${COUNT} runs from seed ${FIRST})`, async () => {
  const startedMs = performance.now()
  const wrong: string[] = []
  for (let done = 0; done < COUNT; done += 1_000) wrong.push(...(await rig.run(Array.from({ length: 1_000 }, (_, index) => FIRST + done + index), 30)))
  const tookSec = Math.round((performance.now() - startedMs) / 1_000)
  mkdirSync(RESULTS, { recursive: true })
  const result = { at: new Date().toISOString().slice(0, 10), runs: COUNT, firstSeed: FIRST, tookSec, wrong: wrong.length }
  writeFileSync(`${RESULTS}faults.json`, `${JSON.stringify(result, null, 1)}\n`)
  expect(wrong, `again with PORTOLAN_FAULT_SEED=${FIRST}`).toEqual([])
})
