import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Admission, Limiter, ServerLimits, Waiting } from '../../core/policy/limiter.ts'
import { createManualClock } from './clock.ts'
import { createLimiter } from './limiter.ts'
import { createRateBook } from './rate-book.ts'

const RATE = { perSec: 10, burst: 5 }
const FILES: ServerLimits = { exchanges: 1, rate: undefined, queue: 10, queueMs: 5_000 }

function open(files: ServerLimits | undefined = FILES) {
  const clock = createManualClock()
  const current: { files: ServerLimits | undefined } = { files }
  const limiter = createLimiter({ exchanges: 100, clock, server: (id) => (id === 'files' ? current.files : undefined) })
  return { clock, current, limiter }
}

const at = (limiter: Limiter, ownerKey = 'a', upstreamId = 'files') => limiter.admit({ ownerKey, upstreamId })
const okOf = (answer: ReturnType<Limiter['admit']>): boolean | 'waits' => ('ok' in answer ? answer.ok : 'waits')

/** Reads what a waiting one was answered, if it was. */
function watch(answer: ReturnType<Limiter['admit']>): { current: Admission | undefined } {
  const watched: { current: Admission | undefined } = { current: undefined }
  void (answer as Waiting).admitted.then((admission) => (watched.current = admission))
  return watched
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe('the memory limiter', () => {
  it('holds nothing and says so where a server has no bounds', () => {
    const { limiter } = open()
    const [one, other] = [at(limiter, 'a', 'other'), at(limiter, 'b', 'third')]
    expect(one).toBe(other)
    expect(okOf(one)).toBe(true)
  })

  it('serves who waits by new limits at once, and loses nobody to a smaller line', async () => {
    const { limiter, current } = open()
    at(limiter)
    const waiting = [1, 2, 3, 4].map(() => watch(at(limiter)))
    current.files = { ...FILES, queue: 1 }
    limiter.refresh()
    await turn()
    expect(waiting.map(({ current: answer }) => answer)).toEqual([undefined, undefined, undefined, undefined])
    expect(okOf(at(limiter))).toBe(false)
    current.files = { ...FILES, exchanges: 3 }
    limiter.refresh()
    await turn()
    expect(waiting.map(({ current: answer }) => answer?.ok)).toEqual([true, true, undefined, undefined])
    current.files = undefined
    limiter.refresh()
    await turn()
    expect(waiting.map(({ current: answer }) => answer?.ok)).toEqual([true, true, true, true])
  })

  it('says of a rate when there will be room, those who wait counted', () => {
    const { limiter } = open({ exchanges: undefined, rate: { perSec: 0.5, burst: 1 }, queue: 2, queueMs: 60_000 })
    expect([okOf(at(limiter)), okOf(at(limiter)), okOf(at(limiter))]).toEqual([true, 'waits', 'waits'])
    expect(at(limiter)).toEqual({ ok: false, fault: { reason: 'overloaded', retryAfterSec: 6, limit: 'server_queue' } })
  })

  it('has one timer for a whole line, and none when it is empty', async () => {
    const { limiter, clock } = open()
    const running = at(limiter)
    const waiting = Array.from({ length: 10 }, (_, index) => at(limiter, `owner ${index}`))
    expect(clock.pendingCount).toBe(1)
    for (const one of waiting.slice(1)) (one as Waiting).leave()
    expect(clock.pendingCount).toBe(1)
    if ('ok' in running && running.ok) running.release()
    await turn()
    expect(clock.pendingCount).toBe(0)
  })

  it('refuses at once where nobody may wait', () => {
    const { limiter } = open({ ...FILES, queue: 0 })
    at(limiter)
    expect(at(limiter)).toMatchObject({ ok: false, fault: { limit: 'server_queue', retryAfterSec: 5 } })
  })

  it('keeps nothing of 10,000 refused and of 10,000 that left', async () => {
    const { limiter, clock } = open({ ...FILES, queue: 100 })
    const running = at(limiter)
    for (let round = 0; round < 10_000; round++) {
      const answer = at(limiter, `owner ${round}`)
      if ('admitted' in answer) answer.leave()
    }
    const line = Array.from({ length: 100 }, () => at(limiter, 'a'))
    const refused = Array.from({ length: 10_000 }, () => okOf(at(limiter, 'a')))
    expect(refused.every((ok) => ok === false)).toBe(true)
    clock.advance(5_000)
    expect(clock.pendingCount).toBe(0)
    const answers = await Promise.all(line.map((one) => (one as Waiting).admitted))
    expect(answers.every(({ ok }) => !ok)).toBe(true)
    if ('ok' in running && running.ok) running.release()
    expect(okOf(at(limiter))).toBe(true)
  })

  it('spends no token on a request that it refuses for another reason', () => {
    const clock = createManualClock()
    const limiter = createLimiter({ exchanges: 1, ratePerOwner: { perSec: 1, burst: 2 }, clock })
    const first = limiter.admit({ ownerKey: 'a', upstreamId: '' })
    for (let round = 0; round < 5; round++) expect(limiter.admit({ ownerKey: 'a', upstreamId: '' })).toMatchObject({ fault: { limit: 'exchanges' } })
    if ('ok' in first && first.ok) first.release()
    expect(limiter.admit({ ownerKey: 'a', upstreamId: '' })).toMatchObject({ ok: true })
  })

  it('is refused rates and servers\' limits without a clock', () => {
    expect(() => createLimiter({ exchanges: 1, ratePerOwner: RATE })).toThrow(TypeError)
    expect(() => createLimiter({ exchanges: 1, server: () => undefined })).toThrow(TypeError)
  })
})

describe('a server\'s line, whatever happens', () => {
  type Step = readonly ['ask', owner: number] | readonly ['release', at: number] | readonly ['leave', at: number] | readonly ['pass', ms: number] | readonly ['reload', exchanges: number]
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant('ask' as const), fc.nat(3)) },
    { weight: 3, arbitrary: fc.tuple(fc.constant('release' as const), fc.nat(30)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('leave' as const), fc.nat(30)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant('pass' as const), fc.nat(700)) },
    { weight: 1, arbitrary: fc.tuple(fc.constant('reload' as const), fc.integer({ min: 1, max: 4 })) },
  )

  it('never lets too many in, leaves no room unused, keeps nobody too long and forgets nobody', async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.option(fc.record({ perSec: fc.integer({ min: 1, max: 20 }), burst: fc.integer({ min: 1, max: 5 }) })), async (steps, written) => {
      const rate = written ?? undefined
      const limits = (exchanges: number): ServerLimits => ({ exchanges, rate, queue: 6, queueMs: 2_000 })
      const { limiter, clock, current } = open(limits(2))
      const running: { release(): void }[] = []
      const waiting: { readonly since: number; leave(): void }[] = []
      const granted: number[] = []
      const take = (answer: Admission): void => {
        if (!answer.ok) return
        granted.push(clock.ticksMs())
        running.push(answer)
      }
      let most = 2
      for (const [kind, value] of steps) {
        const before = running.length
        if (kind === 'ask') {
          const answer = at(limiter, `owner ${value}`)
          if ('ok' in answer) take(answer)
          else if ('admitted' in answer) {
            const one = { since: clock.ticksMs(), leave: () => answer.leave() }
            waiting.push(one)
            void answer.admitted.then((admission) => {
              waiting.splice(waiting.indexOf(one), 1)
              take(admission)
            })
          }
        } else if (kind === 'release') running.splice(value, 1)[0]?.release()
        else if (kind === 'leave') waiting[value]?.leave()
        else if (kind === 'pass') clock.advance(value)
        else {
          most = value
          current.files = limits(value)
          limiter.refresh()
        }
        await turn()
        expect(running.length).toBeLessThanOrEqual(Math.max(most, before))
        expect(waiting.length).toBeLessThanOrEqual(6)
        for (const { since } of waiting) expect(clock.ticksMs() - since).toBeLessThan(2_000)
        if (rate === undefined && waiting.length > 0) expect(running.length).toBeGreaterThanOrEqual(most)
      }
      if (rate !== undefined) {
        for (const [index, ticks] of granted.entries()) {
          // A step may be of 700 ms, and its grants are seen at its end.
          const inSecond = granted.filter((other, at) => at >= index && other < ticks + 1_000).length
          expect(inSecond).toBeLessThanOrEqual(rate.burst + Math.ceil(rate.perSec * 1.7) + 1)
        }
      }
      clock.advance(2_000)
      await turn()
      expect(waiting).toEqual([])
      expect(clock.pendingCount).toBe(0)
      for (const one of running) one.release()
      clock.advance(10_000)
      expect(okOf(at(limiter))).toBe(true)
    }), { numRuns: 300 })
  })
})

describe('a book of rates', () => {
  it('forgets who has not come for as long as a bucket takes to fill, and nobody else', () => {
    const clock = createManualClock()
    const book = createRateBook(clock)
    for (let round = 0; round < 1_000; round++) book.take(`owner ${round}`, RATE)
    for (let taken = 0; taken < 4; taken++) book.take('busy', RATE)
    expect(book.size).toBe(1_001)
    clock.advance(500)
    book.take('busy', RATE)
    clock.advance(500)
    book.take('busy', RATE)
    expect(book.size).toBeLessThanOrEqual(2)
  })

  it('gives no more than the burst and the rate, whatever it forgets meanwhile', () => {
    const clock = createManualClock()
    const book = createRateBook(clock)
    let passed = 0
    for (let ms = 0; ms < 10_000; ms += 7) {
      if (book.take('a', RATE) === 0) passed += 1
      clock.advance(7)
    }
    expect(passed).toBeGreaterThanOrEqual(100)
    expect(passed).toBeLessThanOrEqual(105)
  })

  it('remembers no more than so many', () => {
    const clock = createManualClock()
    const book = createRateBook(clock)
    for (let round = 0; round < 200_000; round++) book.take(`owner ${round}`, { perSec: 0.001, burst: 1 })
    expect(book.size).toBeLessThanOrEqual(100_000)
  })
})
