/** What `portolan doctor` prints. Findings may repeat what servers said: it is made safe for the terminal here. */

import { listText } from '../doctor/check.ts'
import type { Finding, Verdict } from '../doctor/check.ts'
import type { Examined } from '../doctor/examine.ts'
import { safeLine, safeText } from './terminal/safe-text.ts'
import type { Format, Screen } from './terminal/terminal.ts'

const SIGNS: Readonly<Record<Verdict, { readonly sign: string; readonly plain: string; readonly format: Format }>> = {
  ok: { sign: '✓', plain: 'ok', format: 'green' },
  warning: { sign: '!', plain: '!!', format: 'yellow' },
  problem: { sign: '✗', plain: 'NO', format: ['bold', 'red'] },
  skipped: { sign: '-', plain: '--', format: 'dim' },
}
/** Columns of the names of checks. */
export const ID_WIDTH = 14

/** One check: its problems and warnings each with what to do, else one line. Ends with a line break. */
export function examinedText(screen: Screen, { check, findings, verdict }: Examined, canUnicode: boolean): string {
  const bad = findings.filter((finding) => finding.verdict === 'problem' || finding.verdict === 'warning')
  const lead = (of: Verdict, title: string): string => {
    const { sign, plain, format } = SIGNS[of]
    return `${screen.paint(format, canUnicode ? sign : plain)} ${title.padEnd(ID_WIDTH)} `
  }
  if (bad.length === 0) return `${lead(verdict, check.id)}${screen.paint('dim', goodText(findings))}\n`
  return bad.map((finding, index) => lead(finding.verdict, index === 0 ? check.id : '') + findingText(screen, finding, canUnicode)).join('')
}

function goodText(findings: readonly Finding[]): string {
  const good = findings.filter(({ verdict }) => verdict === 'ok')
  const [first] = good.length === 0 ? findings : good
  if (first === undefined) return ''
  if (good.length > 1) return safeLine(listText(good.map(({ subject }) => subject)))
  return safeLine(first.subject === '' ? first.explanation : `${first.subject}: ${first.explanation}`)
}

function findingText(screen: Screen, { subject, explanation, next }: Finding, canUnicode: boolean): string {
  const indent = ' '.repeat(ID_WIDTH + 3)
  const room = screen.isTty ? Math.max(30, screen.width() - indent.length - 1) : Number.POSITIVE_INFINITY
  const name = subject === '' ? '' : `${safeLine(subject)}: `
  const lines = safeText(explanation).split('\n').flatMap((line, index) => (index === 0 ? folded(name + line, room) : [line]))
  // A command is never folded: it is there to be pasted.
  const todo = next === '' ? [] : [`${screen.paint('cyan', canUnicode ? '→' : '>')} ${screen.paint('bold', safeLine(next))}`]
  return `${[...lines, ...todo].join(`\n${indent}`)}\n`
}

/** At spaces, into lines of at most `width`; longer words stand alone. */
function folded(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** The end: how many of what, and what `--fix` can do or did. */
export function summaryText(screen: Screen, examined: readonly Examined[], mended: readonly string[]): string {
  const findings = examined.flatMap((one) => one.findings)
  const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length
  const [problems, warnings] = [count('problem'), count('warning')]
  const words = [problems > 0 ? plural(problems, 'problem') : '', warnings > 0 ? plural(warnings, 'warning') : ''].filter((part) => part !== '').join(', ')
  const format: Format = problems > 0 ? ['bold', 'red'] : warnings > 0 ? 'yellow' : 'green'
  const told = problems + warnings === 0 ? 'No problems found.' : `${words}.`
  const fixable = findings.filter(({ fix }) => fix !== undefined).length
  const lines = mended.map((command) => `Done: ${safeLine(command)}`)
  if (fixable > 0) lines.push(`${fixable === 1 ? 'One of them' : `${fixable} of them`} can be mended with: portolan doctor --fix`)
  return `\n${screen.paint(format, told)}\n${lines.map((line) => `${line}\n`).join('')}`
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
