/** What every Limiter must do. */
import { describe, expect, it } from 'vitest'
import type { Admission, Limiter, RateLimit, ServerLimits, Waiting } from '../../src/core/policy/limiter.ts'

export interface LimiterBounds {
  readonly exchanges: number
  readonly exchangesPerOwner: number
  readonly ratePerOwner?: RateLimit
  /** Of the server `files`; no other has any. */
  readonly files?: ServerLimits
}

/** The limiter, and a way to let time pass for it. */
export interface OpenedLimiter {
  readonly limiter: Limiter
  pass(ms: number): Promise<void>
}

interface Asked {
  readonly ownerKey: string
  readonly answer: Admission | undefined
  leave(): void
}

/** Answers stand in `answer` as soon as there are any. */
function ask(limiter: Limiter, ownerKey: string, upstreamId: string): Asked {
  const asked = { ownerKey, answer: undefined as Admission | undefined, leave: (): void => undefined }
  const answer = limiter.admit({ ownerKey, upstreamId })
  const take = (ready: Admission): void => void (asked.answer = ready)
  if (isWaiting(answer)) {
    asked.leave = () => answer.leave()
    void answer.admitted.then(take)
  } else void Promise.resolve(answer).then(take)
  return asked
}

const isWaiting = (answer: Admission | Promise<Admission> | Waiting): answer is Waiting => 'admitted' in answer

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function answerOf(asked: Asked): Promise<Admission> {
  for (let turn = 0; asked.answer === undefined && turn < 100; turn++) await settled()
  if (asked.answer === undefined) throw new Error('no answer')
  return asked.answer
}

function release(admission: Admission | undefined): void {
  if (admission?.ok === true) admission.release()
}

export function testLimiter(name: string, open: (bounds: LimiterBounds) => Promise<OpenedLimiter>): void {
  const WIDE = { exchanges: 1_000, exchangesPerOwner: 1_000 }
  const admit = (limiter: Limiter, ownerKey: string): Promise<Admission> => answerOf(ask(limiter, ownerKey, ''))

  describe(`Limiter contract: ${name}`, () => {
    it('refuses beyond what may be in flight in all, and says when to come back', async () => {
      const { limiter } = await open({ exchanges: 2, exchangesPerOwner: 9 })
      const first = await admit(limiter, 'a')
      await admit(limiter, 'b')
      const third = await admit(limiter, 'c')
      expect(third).toMatchObject({ ok: false, fault: { reason: 'overloaded' } })
      if (!third.ok) expect(third.fault.retryAfterSec).toBeGreaterThan(0)
      release(first)
      expect((await admit(limiter, 'c')).ok).toBe(true)
    })

    it('refuses one owner beyond its share as limited, and nobody else', async () => {
      const { limiter } = await open({ exchanges: 9, exchangesPerOwner: 1 })
      const first = await admit(limiter, 'a')
      expect(await admit(limiter, 'a')).toMatchObject({ ok: false, fault: { reason: 'rate_limited' } })
      expect((await admit(limiter, 'b')).ok).toBe(true)
      release(first)
      expect((await admit(limiter, 'a')).ok).toBe(true)
    })

    it('takes a release once, however often it is called', async () => {
      const { limiter } = await open({ exchanges: 2, exchangesPerOwner: 9 })
      const first = await admit(limiter, 'a')
      await admit(limiter, 'a')
      release(first)
      release(first)
      expect((await admit(limiter, 'a')).ok).toBe(true)
      expect((await admit(limiter, 'a')).ok).toBe(false)
    })

    it('does not count what it refused', async () => {
      const { limiter } = await open({ exchanges: 1, exchangesPerOwner: 1 })
      const first = await admit(limiter, 'a')
      for (let at = 0; at < 5; at++) await admit(limiter, 'a')
      release(first)
      expect((await admit(limiter, 'a')).ok).toBe(true)
    })

    it('lets an owner have a burst, then its rate, and says when the next one may come', async () => {
      const { limiter, pass } = await open({ ...WIDE, ratePerOwner: { perSec: 2, burst: 3 } })
      for (let at = 0; at < 3; at++) release(await admit(limiter, 'a'))
      expect(await admit(limiter, 'a')).toMatchObject({ ok: false, fault: { reason: 'rate_limited', retryAfterSec: 1 } })
      expect((await admit(limiter, 'b')).ok).toBe(true)
      await pass(500)
      expect((await admit(limiter, 'a')).ok).toBe(true)
      expect((await admit(limiter, 'a')).ok).toBe(false)
      await pass(60_000)
      for (let at = 0; at < 3; at++) expect((await admit(limiter, 'a')).ok).toBe(true)
      expect((await admit(limiter, 'a')).ok).toBe(false)
    })

    it('has calls of a server wait in turn between owners, first come first served within one', async () => {
      const { limiter } = await open({ ...WIDE, files: { exchanges: 1, rate: undefined, queue: 10, queueMs: 60_000 } })
      let running = await answerOf(ask(limiter, 'a', 'files'))
      const line = ['a', 'a', 'a', 'b', 'b', 'c'].map((ownerKey) => ask(limiter, ownerKey, 'files'))
      await settled()
      expect(line.map(({ answer }) => answer)).toEqual(line.map(() => undefined))
      const order: number[] = []
      while (order.length < line.length) {
        release(running)
        await settled()
        const next = line.findIndex(({ answer }, at) => answer !== undefined && !order.includes(at))
        if (next < 0) throw new Error('nobody was served')
        order.push(next)
        running = await answerOf(line[next] ?? ask(limiter, '', ''))
        expect(running.ok).toBe(true)
      }
      expect(order).toEqual([0, 3, 5, 1, 4, 2])
      expect((await answerOf(ask(limiter, 'a', 'other'))).ok).toBe(true)
    })

    it('lets nobody fill the line of a server: who waits most often makes room', async () => {
      const { limiter } = await open({ ...WIDE, files: { exchanges: 1, rate: undefined, queue: 4, queueMs: 60_000 } })
      await answerOf(ask(limiter, 'a', 'files'))
      const greedy = [1, 2, 3, 4].map(() => ask(limiter, 'a', 'files'))
      expect(await answerOf(ask(limiter, 'a', 'files'))).toMatchObject({ ok: false, fault: { reason: 'overloaded' } })
      const other = ask(limiter, 'b', 'files')
      await settled()
      expect(other.answer).toBeUndefined()
      expect(greedy.map(({ answer }) => answer?.ok)).toEqual([undefined, undefined, undefined, false])
      expect((await answerOf(ask(limiter, 'a', 'files'))).ok).toBe(false)
    })

    it('takes a release at a server once, however often it is called', async () => {
      const { limiter } = await open({ ...WIDE, files: { exchanges: 2, rate: undefined, queue: 0, queueMs: 1_000 } })
      const first = await answerOf(ask(limiter, 'a', 'files'))
      await answerOf(ask(limiter, 'a', 'files'))
      release(first)
      release(first)
      expect((await answerOf(ask(limiter, 'a', 'files'))).ok).toBe(true)
      expect((await answerOf(ask(limiter, 'a', 'files'))).ok).toBe(false)
    })

    it('keeps nobody in line longer than may be', async () => {
      const { limiter, pass } = await open({ ...WIDE, files: { exchanges: 1, rate: undefined, queue: 4, queueMs: 2_000 } })
      await answerOf(ask(limiter, 'a', 'files'))
      const waiting = ask(limiter, 'b', 'files')
      await pass(1_990)
      expect(waiting.answer).toBeUndefined()
      await pass(20)
      expect(await answerOf(waiting)).toMatchObject({ ok: false, fault: { reason: 'overloaded' } })
    })

    it('passes over who left the line, and takes no place for it', async () => {
      const { limiter } = await open({ ...WIDE, files: { exchanges: 1, rate: undefined, queue: 2, queueMs: 60_000 } })
      const running = await answerOf(ask(limiter, 'a', 'files'))
      const [left, next] = [ask(limiter, 'b', 'files'), ask(limiter, 'c', 'files')]
      left.leave()
      left.leave()
      const late = ask(limiter, 'd', 'files')
      await settled()
      expect(late.answer).toBeUndefined()
      release(running)
      expect((await answerOf(next)).ok).toBe(true)
      expect(late.answer).toBeUndefined()
    })

    it('hands calls to a server at its rate, from the line', async () => {
      const { limiter, pass } = await open({ ...WIDE, files: { exchanges: undefined, rate: { perSec: 10, burst: 2 }, queue: 10, queueMs: 60_000 } })
      const calls = [1, 2, 3, 4, 5].map(() => ask(limiter, 'a', 'files'))
      const served = async (): Promise<number> => (await settled(), calls.filter(({ answer }) => answer?.ok === true).length)
      expect(await served()).toBe(2)
      for (const count of [3, 4, 5]) {
        await pass(101)
        expect(await served()).toBe(count)
      }
    })
  })
}
