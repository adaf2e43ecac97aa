import { describe, expect, it } from 'vitest'
import { createSeededRandom } from '../../adapters/memory/random.ts'
import { becameReady, emptied, filled, newSlot } from './slot.ts'

const random = createSeededRandom(1)
const process_ = { pid: 7, kill: () => undefined, leave: () => undefined }

describe('the place of a worker', () => {
  it('is filled again at once where it had served for long', () => {
    const slot = newSlot(1)
    for (let life = 0; life < 5; life += 1) {
      filled(slot, process_, 0)
      becameReady(slot, 'r1', 1_000)
      expect(slot.state).toBe('ready')
      expect(emptied(slot, 31_000, random)).toBe(0)
    }
    expect(slot).toMatchObject({ state: 'waiting', running: undefined, replicaId: 'r1', restarts: 5 })
  })

  it('is filled at once the first time, and later and later for a worker that ends soon again and again', () => {
    const slot = newSlot(1)
    const waits = Array.from({ length: 10 }, () => {
      filled(slot, process_, 0)
      return emptied(slot, 100_000, random)
    })
    expect(waits[0]).toBe(0)
    expect(waits[1]).toBeGreaterThanOrEqual(250)
    expect(waits[1]).toBeLessThanOrEqual(500)
    expect(waits[9]).toBeGreaterThanOrEqual(15_000)
    expect(waits[9]).toBeLessThanOrEqual(30_000)
  })
})
