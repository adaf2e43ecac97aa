import { expect, it } from 'vitest'
import { createPacer } from './pacer.ts'

it('runs a few at a time, in order, and goes on after one that failed', async () => {
  const pace = createPacer(2)
  const begun: number[] = []
  const gates = Array.from({ length: 5 }, () => Promise.withResolvers<void>())
  for (const [index, { promise }] of gates.entries()) {
    pace(() => {
      begun.push(index)
      return promise
    })
  }
  expect(begun).toEqual([0, 1])
  gates[1]?.reject(new Error('no'))
  await expect.poll(() => begun).toEqual([0, 1, 2])
  gates[0]?.resolve()
  gates[2]?.resolve()
  await expect.poll(() => begun).toEqual([0, 1, 2, 3, 4])
})
