/**
 * How one upstream server is doing, put together from what its channels, its probes and its breaker say: for its status, for
 * its callers, and for the log. While it is in trouble it is asked again in the background, with back-off.
 *
 *   well ──degrade──▶ in trouble ──recover, or excuse──▶ well
 *                        └──back-off──▶ askAgain, then again
 */

import type { Clock } from '../clock.ts'
import type { ServerSnapshot } from '../gateway/snapshot.ts'
import type { Random } from '../random.ts'
import { backoffMs } from './backoff.ts'
import { createBreaker } from './breaker.ts'
import type { Breaker } from './breaker.ts'
import type { UpstreamEvent, UpstreamFault } from './upstream.ts'

export interface Trouble {
  /** For people, without secrets. */
  readonly detail: string
  readonly sinceTicks: number
  readonly retryAfterSec: number | undefined
}

/** Whether it is still there to be asked. Read at each use. */
export interface UpstreamLife {
  /** It was replaced: it is asked nothing more by itself. */
  readonly isRetired: boolean
  readonly isClosed: boolean
}

export interface Condition {
  readonly breaker: Breaker
  trouble(): Trouble | undefined
  degrade(detail: string, retryAfterSec?: number): void
  /** It answered. */
  recover(): void
  /** What was wrong may be right by now, since its configuration changed. False where nothing was. */
  excuse(): boolean
  /** What to say of a server that calls are kept from; '' where they are not. */
  broken(): string
  /** The last ones, the newest last. */
  faults(): readonly UpstreamFault[]
  /** It is asked no more because of trouble. */
  rest(): void
}

export interface ConditionDeps {
  readonly clock: Clock
  readonly random: Random
  readonly config: Pick<ServerSnapshot, 'breaker'>
  readonly life: UpstreamLife
  readonly redact: (text: string) => string
  readonly log: (kind: UpstreamEvent['kind'], detail: string) => void
  readonly askAgain: () => void
}

const RETRY = { firstMs: 1_000, maxMs: 60_000 }
/** Remembered for the status. */
const KEPT_FAULTS = 5

export function createCondition({ clock, random, config, life, redact, log, askAgain }: ConditionDeps): Condition {
  const breaker = createBreaker(clock, () => config.breaker, noteBreaker)
  const faults: UpstreamFault[] = []
  let trouble: Trouble | undefined
  /** In a row. */
  let failures = 0
  let stopRetry: (() => void) | undefined

  function rest(): void {
    stopRetry?.()
    stopRetry = undefined
  }

  function noteFault(detail: string): void {
    faults.push({ atMs: clock.nowMs(), detail })
    if (faults.length > KEPT_FAULTS) faults.shift()
  }

  function noteBreaker(isOpen: boolean, count: number): void {
    if (life.isClosed) return
    if (!isOpen) return log('ready', 'calls are answered again')
    const detail = `${count} calls in a row failed: further ones are refused for a while`
    log('degraded', detail)
    noteFault(detail)
  }

  function degrade(rawDetail: string, retryAfterSec?: number): void {
    if (life.isClosed || life.isRetired) return
    const detail = redact(rawDetail)
    if (trouble?.detail !== detail) {
      log('degraded', detail)
      noteFault(detail)
    }
    trouble = { detail, sinceTicks: clock.ticksMs(), retryAfterSec }
    if (stopRetry !== undefined) return
    failures += 1
    stopRetry = clock.after(backoffMs(failures, RETRY, random), () => {
      stopRetry = undefined
      askAgain()
    })
  }

  return {
    breaker,
    trouble: () => trouble,
    degrade,
    recover() {
      const wasInTrouble = trouble !== undefined
      trouble = undefined
      failures = 0
      rest()
      if (!wasInTrouble) return
      breaker.mayTry()
      log('ready', '')
    },
    excuse() {
      if (trouble === undefined) return false
      trouble = undefined
      rest()
      return true
    },
    broken() {
      const { state, failures: count, retryAfterMs } = breaker.status()
      if (state === 'closed') return ''
      const next = state === 'open' ? `refused for ${Math.ceil(retryAfterMs / 1_000)} s more` : 'the next one tries it again'
      return `the last ${count} calls failed; ${next}`
    },
    faults: () => [...faults],
    rest,
  }
}
