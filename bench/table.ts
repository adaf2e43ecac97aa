// Renders results as Markdown tables, the same text on the terminal and in the README.
import type { ContenderName } from './contenders.ts'
import type { CaseResult } from './measure.ts'
import { ratio, type Spread } from './stats.ts'

/** Column titles and rows of a table; the first two columns are left-aligned, the others right-aligned. */
export type Table = { readonly titles: readonly string[]; readonly rows: readonly (readonly string[])[] }

const TITLES = ['case', 'contender', 'CPU µs/request', '× nginx-full', '× nginx', 'core %', 'req/s', 'p50 ms', 'added p50 ms', 'p99 ms', 'peak RSS MB', 'upstream µs', 'load µs']

/**
 * One row per case and contender. Figures are best / median over the rounds; the ratios divide best by best and median by median; the added
 * latency (median against direct's median) only where the rate is fixed, since a full queue measures itself.
 */
export function resultTable(results: readonly CaseResult[]): Table {
  return { titles: TITLES, rows: results.flatMap(caseRows) }
}

function caseRows({ benchCase, outcomes }: CaseResult): string[][] {
  const costOf = (name: ContenderName): Spread | null => {
    const outcome = outcomes[name]
    return outcome?.kind === 'measured' ? outcome.summary.cpuUsPerRequest : null
  }
  const direct = outcomes.direct?.kind === 'measured' ? outcomes.direct.summary.p50Ms : null
  return Object.entries(outcomes).flatMap(([name, outcome]) => {
    if (outcome.kind === 'skipped') return []
    const label = name.startsWith('nginx') && benchCase.upstream === 'stdio' ? `${name} (HTTP upstream)` : name
    if (outcome.kind !== 'measured') return [[benchCase.name, label, outcome.kind, ...Array.from({ length: TITLES.length - 3 }, () => '–')]]
    const { summary } = outcome
    const against = (yardstick: ContenderName): string => (name === yardstick ? '1.00' : pair(ratio(summary.cpuUsPerRequest, costOf(yardstick)), 2))
    return [
      [
        benchCase.name,
        label,
        pair(summary.cpuUsPerRequest),
        against('nginx-full'),
        against('nginx'),
        summary.busyShare === null ? '–' : (summary.busyShare * 100).toFixed(0),
        pair(summary.requestsPerSec, 0),
        pair(summary.p50Ms, 2),
        benchCase.ratePerSec === null || name === 'direct' || direct === null ? '–' : (summary.p50Ms.median - direct.median).toFixed(2),
        pair(summary.p99Ms, 2),
        summary.peakRssBytes === 0 ? '–' : String(Math.round(summary.peakRssBytes / 1e6)),
        pair(summary.upstreamCpuUsPerRequest),
        pair(summary.loadCpuUsPerRequest),
      ],
    ]
  })
}

/** Why contenders are missing from the table, one line each; the same reason is said once for all its cases. */
export function absences(results: readonly CaseResult[]): string[] {
  const reasons = new Map<string, string[]>()
  for (const { benchCase, outcomes } of results) {
    for (const [name, outcome] of Object.entries(outcomes)) {
      if (outcome.kind === 'measured') continue
      const key = `${name}: ${outcome.kind}: ${outcome.reason}`
      reasons.set(key, [...(reasons.get(key) ?? []), benchCase.name])
    }
  }
  return [...reasons].map(([reason, names]) => `${reason} (${names.join(', ')})`)
}

/** `best / median`, or a dash. */
export function pair(spread: Spread | null, digits = 1): string {
  return spread === null ? '–' : `${spread.best.toFixed(digits)} / ${spread.median.toFixed(digits)}`
}

/** A Markdown table whose columns also line up as plain text. */
export function renderTable({ titles, rows }: Table): string {
  const widths = titles.map((title, column) => Math.max(title.length, 3, ...rows.map((row) => row[column]?.length ?? 0)))
  const line = (cells: readonly string[]): string =>
    `| ${widths.map((width, column) => (column < 2 ? (cells[column] ?? '').padEnd(width) : (cells[column] ?? '').padStart(width))).join(' | ')} |`
  const rule = `|${widths.map((width, column) => (column < 2 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`
  return [line(titles), rule, ...rows.map(line)].join('\n')
}

/** Replaces what stands between `<!-- name:begin -->` and `<!-- name:end -->`. Throws an Error without these marks. */
export function replaceBetween(text: string, name: string, content: string): string {
  const begin = `<!-- ${name}:begin -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(`<!-- ${name}:end -->`)
  if (from < 0 || to < from) throw new Error(`no ${begin} … <!-- ${name}:end --> in the text`)
  return `${text.slice(0, from + begin.length)}\n${content.trim()}\n${text.slice(to)}`
}
