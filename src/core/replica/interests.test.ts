import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import type { Hints } from '../event/hints.ts'
import { startInterests } from './interests.ts'
import type { Interest, Interests } from './interests.ts'

const NO_HINTS: Hints = { publish: () => undefined, subscribe: () => () => undefined }
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))
const interest = (...uris: string[]): Interest => ({ upstreamId: 'files', era: 'legacy', lists: false, uris })

interface Joined {
  readonly interests: Interests
  own: readonly Interest[]
  /** Each time that what others listen to was told: their URIs. */
  readonly heard: string[][]
}

async function createRig(hints: Hints = createHints()) {
  const clock = createManualClock()
  const network = createPeerNetwork()
  const replicas = createReplicaStore(clock)
  const join = async (id: string, own: readonly Interest[] = []): Promise<Joined> => {
    await replicas.announce({ id, address: '', version: '1' }, 1_000_000)
    const heard: string[][] = []
    const joined = { own, heard }
    const interests = startInterests({
      clock, hints, peers: network.join(id), replicas, own: () => joined.own,
      onOthers: (all) => heard.push(all.flatMap(({ uris }) => uris)),
    })
    await settle()
    return Object.assign(joined, { interests })
  }
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle()
  }
  return { join, pass, replicas, network }
}

describe('what is listened to at each replica', () => {
  it('is known at all others soon after it changed, as a whole', async () => {
    const { join, pass } = await createRig()
    const [a, b] = [await join('a'), await join('b')]
    a.own = [interest('x')]
    a.interests.changed()
    a.own = [interest('x', 'y')]
    a.interests.changed()
    await pass(30)
    expect(b.heard.at(-1)).toEqual(['x', 'y'])
    a.own = [interest('y')]
    a.interests.changed()
    await pass(30)
    expect([b.heard.at(-1), b.heard.length]).toEqual([['y'], 3])
  })

  it('is known at one that comes later, and where no hint comes, with the poll', async () => {
    const { join, pass } = await createRig(NO_HINTS)
    const a = await join('a', [interest('x')])
    const b = await join('b')
    expect(b.heard.at(-1)).toEqual(['x'])
    b.own = [interest('z')]
    b.interests.changed()
    await pass(5_000)
    expect(a.heard.at(-1)).toEqual(['z'])
  })

  it('is told once while it does not change', async () => {
    const { join, pass } = await createRig()
    await join('a', [interest('x')])
    const b = await join('b')
    for (let times = 0; times < 4; times += 1) await pass(5_000)
    expect(b.heard).toEqual([['x']])
  })

  it('ends with its replica', async () => {
    const { join, pass, replicas, network } = await createRig()
    await join('a', [interest('x')])
    const b = await join('b')
    network.leave('a')
    await replicas.leave('a')
    await pass(5_000)
    expect(b.heard.at(-1)).toEqual([])
  })

  it('is bounded in what is told of it', async () => {
    const { join } = await createRig()
    const uris = Array.from({ length: 10_500 }, (_, at) => `test://${at}`)
    await join('a', [interest(...uris), interest('one more')])
    const b = await join('b')
    expect(b.heard.at(-1)).toEqual(uris.slice(0, 10_000))
  })
})
