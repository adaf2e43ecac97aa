/** Runs checks all at once, each with a time limit of its own: one that hangs or fails takes none of the others with it. */

import { warning } from './check.ts'
import type { Check, Finding, Verdict } from './check.ts'
import type { DoctorContext } from './context.ts'

export interface Examined {
  readonly check: Check
  readonly findings: readonly Finding[]
  /** The worst of its findings; `skipped` where it has none or nothing to look at. */
  readonly verdict: Verdict
  readonly durationMs: number
}

export interface ExamineOptions {
  readonly checks: readonly Check[]
  /** For each check. */
  readonly limitMs: number
  /** Called as each check ends. */
  readonly onEnd?: (examined: Examined) => void
}

/** In the order of `checks`. Never rejects. */
export async function examine(context: DoctorContext, { checks, limitMs, onEnd }: ExamineOptions): Promise<readonly Examined[]> {
  return await Promise.all(
    checks.map(async (check) => {
      const startedMs = performance.now()
      const findings = await findingsOf(context, check, limitMs)
      const examined = { check, findings, verdict: worst(findings), durationMs: performance.now() - startedMs }
      onEnd?.(examined)
      return examined
    }),
  )
}

async function findingsOf(context: DoctorContext, check: Check, limitMs: number): Promise<readonly Finding[]> {
  const again = `portolan doctor --only ${check.id} --time-limit ${Math.ceil((limitMs * 3) / 1_000)}`
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<readonly Finding[]>((resolve) => {
    timer = setTimeout(() => resolve([warning('', `The check did not end within ${limitMs / 1_000} s.`, again)]), limitMs)
  })
  try {
    return await Promise.race([Promise.resolve().then(() => check.run(context)), late])
  } catch (error) {
    return [warning('', `The check itself failed: ${error instanceof Error ? error.message : String(error)}`, again)]
  } finally {
    clearTimeout(timer)
  }
}

const RANK: Readonly<Record<Verdict, number>> = { skipped: 0, ok: 1, warning: 2, problem: 3 }

/** The worst verdict of them. */
export function worst(findings: readonly Finding[]): Verdict {
  return findings.reduce<Verdict>((most, { verdict }) => (RANK[verdict] > RANK[most] ? verdict : most), 'skipped')
}
