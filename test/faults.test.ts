import { afterAll, beforeAll, expect, it } from 'vitest'
import { openFaultRig } from './faults/fault-rig.ts'
import type { FaultRig } from './faults/fault-rig.ts'

const COUNT = Number(process.env['PORTOLAN_FAULT_RUNS'] ?? 300)
const FIRST = Number(process.env['PORTOLAN_FAULT_SEED'] ?? Date.now() % 1_000_000_000)

let rig: FaultRig
beforeAll(async () => {
  rig = await openFaultRig()
})
afterAll(() => rig.close())

it(`whatever fails: nothing runs twice, nothing hangs, nobody else notices (${COUNT} runs from seed ${FIRST})`, { timeout: 120_000 }, async () => {
  const seeds = Array.from({ length: COUNT }, (_, index) => FIRST + index)
  const wrong = await rig.run(seeds, 30)
  expect(wrong, `again with PORTOLAN_FAULT_SEED=${FIRST} PORTOLAN_FAULT_RUNS=${COUNT}`).toEqual([])
})
