/** This machine's clock, against what HTTP servers say of theirs: tokens and certificates hang on it. */

import { listText, ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import { httpServers } from './server-target.ts'
import type { HttpRecord } from './observed-egress.ts'

/** `Date` has whole seconds, and a proxy may have kept an answer for a moment. */
const TOLERATED_MS = 30_000
/** Tokens are commonly accepted for so long beside their time. */
const HARMFUL_MS = 5 * 60_000
/** When this was written: no clock can be right that is before. */
const EARLIEST_YEAR = 2026
const LATEST_YEAR = 2049

export const clockCheck: Check = {
  id: 'clock',
  looksAt: 'whether this machine\'s clock is right, against the clocks of HTTP servers',
  async run(context) {
    const impossible = yearFinding(Date.now())
    if (impossible !== undefined) return [impossible]
    const skews = await Promise.all(
      httpServers(context.servers).map(async ({ server }) => {
        const { requests } = await context.trial(server)
        const early = requests.some(({ failure }) => /CERT_NOT_YET_VALID|not yet valid/.test(failure))
        return { name: server.name, early, skewMs: skewOf(requests) }
      }),
    )
    return clockFindings(skews)
  },
}

export interface Skew {
  readonly name: string
  /** Its certificate is not yet valid, by our clock. */
  readonly early: boolean
  /** Ours minus theirs, in milliseconds; undefined where it told none. */
  readonly skewMs: number | undefined
}

/** Undefined for a year that may be. */
export function yearFinding(nowMs: number): Finding | undefined {
  const year = new Date(nowMs).getUTCFullYear()
  if (year >= EARLIEST_YEAR && year <= LATEST_YEAR) return undefined
  return problem('', `By this machine's clock it is ${year}: certificates and tokens will be refused.`, mend())
}

/** Where one server differs and others do not, it is that server's clock. */
export function clockFindings(skews: readonly Skew[]): readonly Finding[] {
  const early = skews.filter((one) => one.early).map(({ name }) => name)
  const told = skews.flatMap(({ name, skewMs }) => (skewMs === undefined ? [] : [{ name, skewMs }]))
  const off = told.filter(({ skewMs }) => Math.abs(skewMs) > TOLERATED_MS)
  const [first] = off.toSorted((left, right) => Math.abs(right.skewMs) - Math.abs(left.skewMs))
  if (first === undefined) {
    if (early.length > 0) return [warning('', `The certificate of ${listText(early)} is not yet valid: this clock is behind, or theirs was ahead when it was made.`, mend())]
    if (told.length > 0) return [ok('', `It agrees with ${listText(told.map(({ name }) => name))}.`)]
    return [skipped('No server told its time; the year can be right.')]
  }
  const how = `${durationText(Math.abs(first.skewMs))} ${first.skewMs > 0 ? 'ahead of' : 'behind'}`
  if (off.length < told.length) return [warning(first.name, `This clock is ${how} that of ${first.name}, but agrees with the other servers': its clock is wrong.`, 'date -u')]
  const what = `This clock is ${how} ${off.length === 1 ? `that of ${first.name}` : 'those of all servers that told theirs'}: tokens and certificates may be refused.`
  return [Math.abs(first.skewMs) > HARMFUL_MS ? problem('', what, mend()) : warning('', what, mend())]
}

/** The time in between is when the server wrote its own. */
function skewOf(requests: readonly HttpRecord[]): number | undefined {
  const answered = requests.find(({ date, headAtMs }) => headAtMs > 0 && !Number.isNaN(Date.parse(date)))
  return answered === undefined ? undefined : (answered.sentAtMs + answered.headAtMs) / 2 - Date.parse(answered.date)
}

function durationText(ms: number): string {
  const sec = Math.round(ms / 1_000)
  if (sec < 120) return `${sec} s`
  if (sec < 7_200) return `${Math.round(sec / 60)} min`
  return sec < 172_800 ? `${Math.round(sec / 3_600)} h` : `${Math.round(sec / 86_400)} days`
}

function mend(): string {
  return process.platform === 'darwin' ? 'sudo sntp -sS time.apple.com' : 'sudo timedatectl set-ntp true && timedatectl'
}
