/** What a check of `portolan doctor` is, and what it finds. Findings are for people and hold no secret. */

import type { DoctorContext } from './context.ts'

export type Verdict = 'ok' | 'warning' | 'problem' | 'skipped'

export interface Finding {
  readonly verdict: Verdict
  /** What it is about: a server's name, a path, an address; '' for the whole. */
  readonly subject: string
  /** What was found, and why it matters, as one or two sentences. May hold text of servers: make it safe for a terminal. */
  readonly explanation: string
  /** A command to paste; '' where there is nothing to do. */
  readonly next: string
  /** Mends it without harm; run by `--fix` only. Throws what node:fs throws. */
  readonly fix?: () => void
}

export interface Check {
  /** Stable: `--only`, `--json` and docs/reference/doctor.md name it. */
  readonly id: string
  /** What it looks at, as a phrase. */
  readonly looksAt: string
  run(context: DoctorContext): readonly Finding[] | Promise<readonly Finding[]>
}

export function ok(subject: string, explanation: string): Finding {
  return { verdict: 'ok', subject, explanation, next: '' }
}

export function skipped(explanation: string): Finding {
  return { verdict: 'skipped', subject: '', explanation, next: '' }
}

export function warning(subject: string, explanation: string, next: string): Finding {
  return { verdict: 'warning', subject, explanation, next }
}

export function problem(subject: string, explanation: string, next: string): Finding {
  return { verdict: 'problem', subject, explanation, next }
}

/** One word of a shell command, quoted where it has to be. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}

export function shellText(words: readonly string[]): string {
  return words.map(shellWord).join(' ')
}

/** `one`, `one and two`, `one, two and 3 more`. */
export function listText(items: readonly string[], most = 4): string {
  if (items.length > most) return `${items.slice(0, most).join(', ')} and ${items.length - most} more`
  return items.length < 2 ? (items[0] ?? '') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`
}
