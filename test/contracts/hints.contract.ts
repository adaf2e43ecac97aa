/** What every Hints must do. */
import { afterEach, describe, expect, it } from 'vitest'
import { MISSED } from '../../src/core/event/hints.ts'
import type { Hint, Hints } from '../../src/core/event/hints.ts'

export interface HintsRig {
  /** Two ends: one and the same in one process, two connections elsewhere. */
  readonly near: Hints
  readonly far: Hints
  /** Where there is a wire: what may happen to it. */
  readonly wire?: HintsWire
  close(): Promise<void>
}

export interface HintsWire {
  /** Both ends lose their connections, and find a new one. */
  cut(): void
  /** Nothing passes, and nothing says so; until `thaw`. */
  freeze(): void
  thaw(): void
  /** Both ends know that they have no wire. */
  isNoticed(): boolean
  /** What another version might send. */
  inject(text: string): Promise<void>
}

/**
 * Resolves when all that `near` published before has reached `far`, or is lost: hints of one publisher keep their order. Says it
 * again until it arrives: a busy machine may lose the wire once more.
 */
async function settle(near: Hints, far: Hints): Promise<void> {
  const topic = `settled ${Math.random()}`
  const got = listen(far, topic)
  await expect.poll(() => (near.publish({ topic, revision: '1' }), got), { interval: 250 }).toContain('1')
}

function listen(hints: Hints, topic: string): string[] {
  const got: string[] = []
  hints.subscribe(topic, ({ revision }) => got.push(revision))
  return got
}

export function testHints(name: string, open: () => Promise<HintsRig>, hasWire: boolean): void {
  const opened: HintsRig[] = []
  const rig = async (): Promise<HintsRig> => {
    const one = await open()
    opened.push(one)
    return one
  }
  const wired = async (): Promise<HintsRig & { readonly wire: HintsWire }> => {
    const one = await rig()
    if (one.wire === undefined) throw new TypeError('no wire')
    return { ...one, wire: one.wire }
  }

  describe(`Hints contract: ${name}`, () => {
    afterEach(async () => {
      await Promise.all(opened.splice(0).map((one) => one.close()))
    })

    it('wakes whoever subscribed to the topic, and nobody else', async () => {
      const { near, far } = await rig()
      const got: Hint[] = []
      far.subscribe('a', (hint) => got.push(hint))
      near.subscribe('a', (hint) => got.push(hint))
      far.subscribe('b', (hint) => got.push(hint))
      near.publish({ topic: 'a', revision: 'ü7' })
      near.publish({ topic: 'nobody', revision: '1' })
      await settle(near, far)
      expect(got).toEqual([
        { topic: 'a', revision: 'ü7' },
        { topic: 'a', revision: 'ü7' },
      ])
    })

    it('does not wake the publisher in mid-sentence', async () => {
      const { near, far } = await rig()
      let woken = false
      near.subscribe('a', () => (woken = true))
      near.publish({ topic: 'a', revision: '1' })
      expect(woken).toBe(false)
      await settle(near, far)
      expect(woken).toBe(true)
    })

    it('wakes nobody who unsubscribed, even after the hint went out', async () => {
      const { near, far } = await rig()
      let woken = 0
      const stop = far.subscribe('a', () => woken++)
      far.subscribe('a', () => (woken += 10))
      near.publish({ topic: 'a', revision: '1' })
      stop()
      stop()
      await settle(near, far)
      expect(woken).toBe(10)
    })

    it('brings one hint once, and the last of a topic in any case, however many go out', async () => {
      const { near, far } = await rig()
      const [many, once] = [listen(far, 'many'), listen(far, 'once')]
      for (let at = 0; at <= 1_000; at++) {
        near.publish({ topic: `other ${at}`, revision: 'x'.repeat(100) })
        near.publish({ topic: 'many', revision: String(at) })
      }
      near.publish({ topic: 'once', revision: '1' })
      await settle(near, far)
      expect(many.at(-1)).toBe('1000')
      expect(once).toEqual(['1'])
    })

    it('brings the same hint again when it is published again', async () => {
      const { near, far } = await rig()
      const got = listen(far, 'a')
      for (let at = 0; at < 3; at++) {
        near.publish({ topic: 'a', revision: '1' })
        await settle(near, far)
      }
      expect(got).toEqual(['1', '1', '1'])
    })

    it.runIf(hasWire)('says after a gap that everything may have changed, and goes on', async () => {
      const { near, far, wire } = await wired()
      const [a, b] = [listen(far, 'a'), listen(near, 'b')]
      wire.cut()
      await expect.poll(() => a.length, { timeout: 8_000 }).toBeGreaterThan(0)
      await expect.poll(() => b.length, { timeout: 8_000 }).toBeGreaterThan(0)
      expect(new Set([...a, ...b])).toEqual(new Set([MISSED]))
      await expect.poll(() => (near.publish({ topic: 'a', revision: '2' }), a)).toContain('2')
    }, 20_000)

    it.runIf(hasWire)('notices a wire that is dead without a word, wakes listeners of its own meanwhile, and tells of the gap', async () => {
      const { near, far, wire } = await wired()
      const [here, there] = [listen(near, 'a'), listen(far, 'a')]
      wire.freeze()
      near.publish({ topic: 'a', revision: 'waits' })
      await expect.poll(() => here).toContain('waits')
      expect(there).toEqual([])
      await expect.poll(wire.isNoticed, { timeout: 10_000 }).toBe(true)
      wire.thaw()
      // The hint itself may come too early for a far end that is not back yet: for that the gap is told.
      await expect.poll(() => there, { timeout: 10_000 }).toContain(MISSED)
    }, 20_000)

    it.runIf(hasWire)('takes hints of other versions for what it knows of them, and others for nothing', async () => {
      const { near, far, wire } = await wired()
      const got = listen(far, 'a')
      for (const text of ['', 'x', '[]', '{"v":2,"from":"n","hints":[["a","later"]]}', '{"v":1,"from":"n","hints":7}', '{"v":1,"hints":[["a","nobody"]]}', '\xff']) await wire.inject(text)
      await wire.inject('{"v":1,"from":"n","n":1,"more":true,"hints":[["a","1","more"],["a"],7]}')
      await wire.inject('{"v":1,"from":"n","n":2,"missed":true,"hints":[]}')
      await expect.poll(() => got).toEqual(['1', MISSED])
      near.publish({ topic: 'a', revision: '2' })
      await settle(near, far)
      expect(got).toEqual(['1', MISSED, '2'])
    })
  })
}
