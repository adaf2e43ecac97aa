import { describe, expect, it } from 'vitest'
import { keyringOf } from '../../../test/peer-rig.ts'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { createReplicaStore } from '../../adapters/memory/replica-store.ts'
import { createLog } from './log.ts'
import { watchTokenDrift } from './token-drift.ts'

const TOKENS = ['a'.repeat(40), 'b'.repeat(40)] as const

async function play() {
  const clock = createManualClock()
  const network = createPeerNetwork()
  const replicas = createReplicaStore(clock)
  const sent: string[] = []
  const replica = async (id: string, first: string) => {
    const lines: string[] = []
    const serving = { token: first }
    const joined = network.join(id)
    const peers: typeof joined = { ...joined, send: (...given) => (sent.push(given[2]), joined.send(...given)) }
    await replicas.announce({ id, address: '', version: '' }, 1_000_000)
    const log = createLog({ level: 'info', human: false, colour: false, write: (text) => void lines.push(text) })
    return { id, serving, lines, drift: watchTokenDrift({ peers, replicas, keyring: keyringOf('all'), clock, log, token: () => serving.token }) }
  }
  const [one, two] = [await replica('one', TOKENS[0]), await replica('two', TOKENS[1])]
  const pass = async (): Promise<void> => {
    clock.advance(30_000)
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }
  return { one, two, sent, pass, network }
}

describe('replicas that let in different tokens', () => {
  it('say so, once each, and once that they let in the same again', async () => {
    const { one, two, pass } = await play()
    for (let looks = 0; looks < 3; looks += 1) await pass()
    for (const [own, other] of [[one, two], [two, one]] as const) {
      expect(own.drift.elsewhere()).toEqual([other.id])
      expect(own.lines.join('').match(/Another replica lets in another token/g)).toHaveLength(1)
    }
    two.serving.token = one.serving.token
    await pass()
    expect([one.drift.elsewhere(), two.drift.elsewhere()]).toEqual([[], []])
    expect(one.lines.at(-1)).toContain('All replicas let in the same token again')
  })

  it('say nothing of a token that is given to one after the other, also where a look falls in between, or one cannot be asked after it', async () => {
    const { one, two, pass, network } = await play()
    await pass()
    two.serving.token = one.serving.token
    await pass()
    expect([...one.lines, ...two.lines]).toEqual([])
    one.serving.token = TOKENS[1]
    await pass()
    network.leave('two')
    await pass()
    expect([one.drift.elsewhere(), one.lines]).toEqual([[], []])
  })

  it('do not tell each other theirs', async () => {
    const { sent, pass } = await play()
    await pass()
    expect(sent).toHaveLength(2)
    for (const token of TOKENS) expect(sent.join()).not.toContain(token)
  })

  it('is what is known while one cannot be asked, and nobody\'s once it is gone', async () => {
    const { one, two, pass, network } = await play()
    await pass()
    await pass()
    two.serving.token = one.serving.token
    network.leave('two')
    await pass()
    expect(one.drift.elsewhere()).toEqual(['two'])
    one.drift.close()
    two.drift.close()
  })
})
