import { describe, expect, it } from 'vitest'
import type { ChildPool, ChildSlot, ChildSlotRequest } from '../../core/upstream/child-pool.ts'
import { pacedPool } from './paced-pool.ts'

const slot: ChildSlot = { setInFlight: () => undefined, release: () => undefined }
const request: ChildSlotRequest = { upstream: 'a', ownerKey: '', isExpendable: true, reclaim: () => undefined }

describe('a paced pool', () => {
  it('gives room to one child a turn, in the order asked, and to one that is alone at once', async () => {
    const turns: (() => void)[] = []
    const given: number[] = []
    const pool: ChildPool = { acquire: () => Promise.resolve(slot), size: 0, close: () => undefined }
    const paced = pacedPool(pool, (run) => void turns.push(run))
    const ask = (name: number): Promise<void> => paced.acquire(request).then(() => void given.push(name))
    const asked = [1, 2, 3].map(ask)
    const settle = async (): Promise<void> => {
      for (let count = 0; count < 10; count += 1) await Promise.resolve()
    }
    const step = async (): Promise<number[]> => {
      await settle()
      turns.shift()?.()
      await settle()
      return [...given]
    }
    await settle()
    expect(given).toEqual([1])
    expect(await step()).toEqual([1, 2])
    expect(await step()).toEqual([1, 2, 3])
    await step()
    expect(turns).toEqual([])
    await Promise.all([...asked, ask(4)])
    expect(given).toEqual([1, 2, 3, 4])
  })

  it('passes a refusal on', async () => {
    const pool: ChildPool = { acquire: () => Promise.reject(new Error('full')), size: 0, close: () => undefined }
    await expect(pacedPool(pool).acquire(request)).rejects.toThrow('full')
  })
})
