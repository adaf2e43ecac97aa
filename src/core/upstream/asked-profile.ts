/**
 * What one upstream server is: asked at first use, then known. It is asked again where an era could not be asked, after trouble,
 * and where it answers as no server of its era does. Until it has answered for the first time, what it was before is good.
 */

import type { PortolanError } from '../../protocol/error.ts'
import type { Clock } from '../clock.ts'
import type { Condition, UpstreamLife } from './condition.ts'
import type { ProbeVerdict } from './probe.ts'
import type { ProfileMemory } from './profile-memory.ts'
import type { UpstreamProfile } from './upstream.ts'

export interface AskedProfile {
  known(): UpstreamProfile | undefined
  /** Asks where it is not known. Rejects with `upstream_unavailable`. */
  find(): Promise<UpstreamProfile>
  /** In the background; once, whoever else asks meanwhile. */
  ask(): void
  isAsked(): boolean
  /** It may speak another era by now: asks, at most so often, whoever provokes it. False where it is too soon. */
  doubt(): boolean
  forget(): void
  /** It said something that nobody asked for. */
  noteStray(detail: string): void
  /** What to say of a server that was asked what it is and has not answered yet; '' for a while. */
  silence(): string
}

export interface AskedProfileDeps {
  readonly clock: Pick<Clock, 'ticksMs'>
  readonly life: UpstreamLife
  readonly condition: Condition
  /** Undefined where nothing outlives this process. */
  readonly memory: ProfileMemory | undefined
  /** Never rejects. */
  readonly probe: () => Promise<ProbeVerdict>
  /** Before who asked hears of it. */
  readonly onFound: (profile: UpstreamProfile) => void
  readonly unavailable: (cause: string, retryAfterSec?: number) => PortolanError
}

/** After a failed probe, callers are refused at once for so long. */
const FAIL_FAST_MS = 1_000
/** Between two looks at a server that seems to speak another era by now. */
const DOUBT_MS = 1_000
/** A verdict that lacks an era is asked for again after so long. */
const UNSETTLED_MS = 30_000
/** A server that is silent for this long is said to be, though it may still be on its way. */
const SILENT_MS = 5_000

export function createAskedProfile({ clock, life, condition, memory, probe, onFound, unavailable }: AskedProfileDeps): AskedProfile {
  let known: UpstreamProfile | undefined
  let asking: Promise<UpstreamProfile> | undefined
  let askedTicks = 0
  let askAgainAtTicks = Number.POSITIVE_INFINITY
  let recalled: Promise<UpstreamProfile | undefined> | undefined
  /** Until it has said itself what it is, or has belied what it was. */
  let mayRecall = memory !== undefined
  /** Since it was asked. */
  let lastStray = ''

  async function askNow(): Promise<UpstreamProfile> {
    const verdict = await probe()
    if (life.isClosed) throw unavailable('stopped')
    if (!verdict.ok) {
      const { detail, retryAfterSec } = verdict.fault
      condition.degrade(detail, retryAfterSec)
      throw unavailable(detail, retryAfterSec)
    }
    const { profile, isSettled } = verdict.value
    known = profile
    mayRecall = false
    if (isSettled) memory?.keep(profile)
    askAgainAtTicks = isSettled ? Number.POSITIVE_INFINITY : clock.ticksMs() + UNSETTLED_MS
    onFound(profile)
    condition.recover()
    return profile
  }

  function asked(): Promise<UpstreamProfile> {
    if (asking !== undefined) return asking
    askedTicks = clock.ticksMs()
    lastStray = ''
    asking = askNow().finally(() => (asking = undefined))
    return asking
  }

  function ask(): void {
    asked().catch(() => undefined)
  }

  async function find(): Promise<UpstreamProfile> {
    if (life.isClosed) throw unavailable('stopped')
    if (known !== undefined) {
      if (clock.ticksMs() >= askAgainAtTicks) ask()
      return known
    }
    const trouble = condition.trouble()
    if (asking === undefined && trouble !== undefined && clock.ticksMs() - trouble.sinceTicks < FAIL_FAST_MS) {
      throw unavailable(trouble.detail, trouble.retryAfterSec)
    }
    const answer = asked()
    return memory === undefined || !mayRecall ? await answer : await answeredOrRecalled(memory, answer)
  }

  async function answeredOrRecalled({ recall }: ProfileMemory, answer: Promise<UpstreamProfile>): Promise<UpstreamProfile> {
    recalled ??= recall()
    const before = await Promise.race([recalled, answer.catch(() => undefined)])
    if (before !== undefined && mayRecall && known === undefined && condition.trouble() === undefined) known = before
    return known ?? answer
  }

  return {
    known: () => known,
    find,
    ask,
    isAsked: () => asking !== undefined,
    doubt() {
      if (life.isClosed || life.isRetired || asking !== undefined || clock.ticksMs() - askedTicks < DOUBT_MS) return false
      ask()
      return true
    },
    forget() {
      known = undefined
      mayRecall = false
    },
    noteStray(detail) {
      lastStray = detail
    },
    silence() {
      const waitedMs = clock.ticksMs() - askedTicks
      if (known !== undefined || asking === undefined || waitedMs < SILENT_MS) return ''
      return `no answer for ${Math.floor(waitedMs / 1_000)} s${lastStray === '' ? '' : `; ${lastStray}`}`
    },
  }
}
