import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import { isElected } from './elected.ts'

describe('the elected replica', () => {
  it('is the living one with the least id, and is succeeded when it is dead', async () => {
    const clock = createManualClock()
    const store = createReplicaStore(clock)
    const elected = async (): Promise<string[]> => {
      const all = await Promise.all(['a', 'b', 'c'].map(async (id) => ((await isElected(store, id)) ? [id] : [])))
      return all.flat()
    }
    await store.announce({ id: 'b', address: '', version: '1' }, 3_000)
    await store.announce({ id: 'c', address: '', version: '1' }, 9_000)
    expect(await elected()).toEqual(['b'])
    clock.advance(3_001)
    expect(await elected()).toEqual(['c'])
    await store.announce({ id: 'a', address: '', version: '1' }, 3_000)
    expect(await elected()).toEqual(['a'])
    await store.leave('a')
    expect(await elected()).toEqual(['c'])
  })

  it('is whoever asks where none is stored', async () => {
    expect(await isElected(createReplicaStore(createManualClock()), 'a')).toBe(true)
  })
})
