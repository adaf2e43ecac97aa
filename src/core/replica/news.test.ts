import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createHints } from '../../adapters/memory/hints.ts'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Hints } from '../event/hints.ts'
import { startNews } from './news.ts'
import type { News, NewsItem } from './news.ts'

const NO_HINTS: Hints = { publish: () => undefined, subscribe: () => () => undefined }
const item = (text: string): NewsItem => ({ upstreamId: 'u', era: 'legacy', isOnly: true, text })
const settle = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5))

async function createRig(hints: Hints = createHints()) {
  const clock = createManualClock()
  const network = createPeerNetwork()
  const replicas = createReplicaStore(clock)
  const join = async (id: string): Promise<{ readonly news: News; readonly got: string[] }> => {
    await replicas.announce({ id, address: '', version: '1' }, 1_000_000)
    const got: string[] = []
    const news = startNews({ clock, hints, peers: network.join(id), replicas, onNews: ({ text }) => got.push(text), onMissed: () => got.push('missed') })
    await settle()
    return { news, got }
  }
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms)
    await settle()
  }
  return { join, pass }
}

describe('news between replicas', () => {
  it('reach each of the others once, in order, and not the one that had them', async () => {
    const { join, pass } = await createRig()
    const [a, b, c] = [await join('a'), await join('b'), await join('c')]
    a.news.heard(item('1'))
    a.news.heard(item('2'))
    b.news.heard(item('3'))
    await pass(20)
    a.news.heard(item('4'))
    await pass(20)
    await pass(5_000)
    expect([a.got, b.got, c.got.toSorted()]).toEqual([['3'], ['1', '2', '4'], ['1', '2', '3', '4']])
  })

  it('come with the poll where no hint comes', async () => {
    const { join, pass } = await createRig(NO_HINTS)
    const [a, b] = [await join('a'), await join('b')]
    a.news.heard(item('1'))
    await pass(4_999)
    expect(b.got).toEqual([])
    await pass(1)
    expect(b.got).toEqual(['1'])
  })

  it('of before it was there concern no replica; those of one that is newer do', async () => {
    const { join, pass } = await createRig()
    const a = await join('a')
    a.news.heard(item('before'))
    await pass(20)
    const b = await join('b')
    b.news.heard(item('newer'))
    await pass(20)
    expect([a.got, b.got]).toEqual([['newer'], []])
  })

  it('that are more than are kept are said to be missed', async () => {
    const { join, pass } = await createRig(NO_HINTS)
    const [a, b] = [await join('a'), await join('b')]
    for (let count = 0; count < 1_001; count += 1) a.news.heard(item(String(count)))
    await pass(5_000)
    expect(b.got).toEqual(['missed'])
    a.news.heard(item('next'))
    await pass(5_000)
    expect(b.got).toEqual(['missed', 'next'])
  })

  it('of a later version that are not understood are said to be missed, and hold up none behind them', async () => {
    const { join, pass } = await createRig()
    const [a, b] = [await join('a'), await join('b')]
    a.news.heard({ ...item('1'), era: 'later' as Era })
    a.news.heard(item('2'))
    await pass(20)
    expect(b.got).toEqual(['missed', '2'])
  })
})
