import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createSnapshotStore } from '../../adapters/memory/snapshot-store.ts'
import { watchConfigDrift } from './config-drift.ts'
import { createLog } from './log.ts'

/** Replicas over one store; `serve` changes what one of them serves. */
function rig() {
  const clock = createManualClock()
  const store = createSnapshotStore()
  const replica = (first: string) => {
    const lines: string[] = []
    let digest = first
    const log = createLog({ level: 'info', human: false, colour: false, write: (text) => void lines.push(text) })
    const drift = watchConfigDrift({ store, clock, log, own: () => ({ digest, text: `{"of":"${digest}"}` }) })
    drift.announce()
    return {
      drift,
      lines,
      serve(next: string) {
        digest = next
        drift.announce()
      },
    }
  }
  const pass = async (): Promise<void> => {
    clock.advance(30_000)
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { store, replica, pass }
}

describe('replicas with different configurations', () => {
  it('are told apart, each says so once, and once that they agree again', async () => {
    const { replica, pass } = rig()
    const [old, next] = [replica('one'), replica('two')]
    for (let looks = 0; looks < 3; looks += 1) await pass()
    expect([old.drift.elsewhere(), next.drift.elsewhere()]).toEqual(['two', ''])
    expect(old.lines.join('').match(/Another replica serves another configuration/g)).toHaveLength(1)
    old.serve('two')
    await pass()
    expect(old.drift.elsewhere()).toBe('')
    expect(next.lines).toEqual([])
  })

  it('may follow one another within half a minute without a word', async () => {
    const { replica, pass } = rig()
    const [first, second] = [replica('one'), replica('one')]
    first.serve('two')
    second.serve('two')
    await pass()
    expect([first.lines, second.lines]).toEqual([[], []])
  })

  it('may do so while one of them looks, too', async () => {
    const { replica, pass } = rig()
    const [first, second] = [replica('one'), replica('one')]
    for (const next of ['two', 'three']) {
      first.serve(next)
      await pass()
      second.serve(next)
    }
    await pass()
    expect([first.lines, second.lines]).toEqual([[], []])
  })

  it('keep what was put last in the store', async () => {
    const { store, replica } = rig()
    replica('one').serve('two')
    await new Promise((resolve) => setImmediate(resolve))
    expect(await store.current()).toEqual({ digest: 'two', text: '{"of":"two"}', revision: 2 })
  })

  it('looks no more once it is closed', async () => {
    const { replica, pass } = rig()
    const old = replica('one')
    old.drift.close()
    replica('two')
    await pass()
    expect(old.drift.elsewhere()).toBe('')
  })
})
