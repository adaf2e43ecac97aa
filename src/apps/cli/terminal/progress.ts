/**
 * Bars for progress notifications, one line for each operation, at the bottom of standard error; gone when done. Where
 * standard error is no terminal: nothing, or plain lines (`isVerbose`), at most one a second for each operation.
 */

import type { Block } from './live.ts'
import { safeLine } from './safe-text.ts'
import type { Screen, Terminal } from './terminal.ts'
import { cutText, textWidth } from './text-width.ts'

/** What `notifications/progress` carries. */
export interface ProgressReport {
  readonly progress: number
  readonly total?: number | undefined
  readonly message?: string | undefined
}

export interface ProgressBar {
  readonly report: (report: ProgressReport) => void
  /** Takes the line away. */
  readonly done: () => void
}

export interface ProgressOptions {
  /** Plain lines where nothing can be drawn. */
  readonly isVerbose?: boolean
  readonly nowMs?: () => number
}

export interface Progress {
  /** A line that says `label` from now on (a spinner until the first report). */
  readonly start: (label: string) => ProgressBar
  /** Takes all lines away. */
  readonly close: () => void
}

/** One operation, as its line shows it. */
export interface ProgressState {
  readonly label: string
  readonly startedAtMs: number
  /** Undefined before the first report. */
  readonly report?: ProgressReport
  /** Where the first report stood, and when: the rate is measured from there. */
  readonly first?: { readonly progress: number; readonly atMs: number }
}

const SPIN_MS = 100
const PLAIN_MS = 1_000
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const ASCII_SPINNER = ['|', '/', '-', '\\']
const MAX_BAR_COLUMNS = 30
const MIN_BAR_COLUMNS = 8
/** A rate from less is a guess. */
const RATE_AFTER_MS = 500

export function createProgress(terminal: Terminal, options: ProgressOptions = {}): Progress {
  return terminal.footer.canDraw ? drawnProgress(terminal, options) : plainProgress(terminal, options)
}

function drawnProgress(terminal: Terminal, { nowMs = Date.now }: ProgressOptions): Progress {
  const states = new Map<ProgressBar, ProgressState>()
  let block: Block | undefined
  let timer: NodeJS.Timeout | undefined
  const draw = (): void => {
    block?.draw([...states.values()].map((state) => progressLine(state, nowMs(), terminal)))
  }
  const close = (): void => {
    states.clear()
    clearInterval(timer)
    block?.close()
    block = undefined
  }
  const start = (label: string): ProgressBar => {
    const bar: ProgressBar = {
      report: (report) => {
        const state = states.get(bar)
        if (state === undefined) return
        states.set(bar, { ...state, report, first: state.first ?? { progress: report.progress, atMs: nowMs() } })
        draw()
      },
      done: () => {
        if (!states.delete(bar)) return
        if (states.size === 0) close()
        else draw()
      },
    }
    if (block === undefined) {
      block = terminal.footer.open()
      timer = setInterval(draw, SPIN_MS).unref()
    }
    states.set(bar, { label: safeLine(label), startedAtMs: nowMs() })
    draw()
    return bar
  }
  return { start, close }
}

function plainProgress(terminal: Terminal, { isVerbose = false, nowMs = Date.now }: ProgressOptions): Progress {
  const start = (label: string): ProgressBar => {
    let saidAtMs = -Infinity
    return {
      report: (report) => {
        const isLast = report.total !== undefined && report.progress >= report.total
        if (!isVerbose || (!isLast && nowMs() - saidAtMs < PLAIN_MS)) return
        saidAtMs = nowMs()
        const message = report.message === undefined ? '' : `  ${safeLine(report.message)}`
        terminal.err.write(`${safeLine(label)}: ${countText(report)}${message}\n`)
      },
      done: () => {},
    }
  }
  return { start, close: () => {} }
}

/** One line in the columns of standard error: bar, percent, rate, time left and message, as many of them as fit. */
export function progressLine(state: ProgressState, nowMs: number, terminal: Pick<Terminal, 'err' | 'canUnicode'>): string {
  const { err } = terminal
  const { report, label } = state
  // The last column stays free: terminals differ in what they do after it.
  const columns = Math.max(1, err.width() - 1)
  const total = totalOf(report)
  const message = report?.message === undefined ? '' : safeLine(report.message)
  if (report === undefined || total === undefined) {
    const frames = terminal.canUnicode ? SPINNER : ASCII_SPINNER
    const frame = frames[Math.floor((nowMs - state.startedAtMs) / SPIN_MS) % frames.length] ?? ''
    const count = report === undefined ? '' : countText(report)
    const rest = fitted([count, rateText(state, nowMs), message], columns - textWidth(label) - 2)
    return `${err.paint('cyan', frame)} ${cutText(label, columns - 2)}${rest}`
  }
  const percent = `${String(percentOf(report.progress, total)).padStart(3)} %`
  const name = cutText(label, Math.floor(columns / 3))
  const room = columns - textWidth(name) - percent.length - 3
  if (room < MIN_BAR_COLUMNS) return cutText(`${name} ${percent}`, columns)
  const size = Math.min(MAX_BAR_COLUMNS, Math.max(MIN_BAR_COLUMNS, Math.floor(room / 2)))
  const rest = fitted([message, timeLeftText(state, total, nowMs), rateText(state, nowMs)], room - size)
  return `${name} ${barText(report.progress / total, size, err, terminal.canUnicode)} ${percent}${rest}`
}

/** A total that is not more than nothing says nothing. */
function totalOf(report: ProgressReport | undefined): number | undefined {
  return report?.total !== undefined && report.total > 0 && Number.isFinite(report.total) ? report.total : undefined
}

/** What fits of `parts`, the first first; the last that does not fit is cut where enough of it is left to be read. */
function fitted(parts: readonly string[], columns: number): string {
  let shown = ''
  for (const part of parts.filter((text) => text !== '')) {
    const room = columns - textWidth(shown) - 2
    if (textWidth(part) <= room) shown += `  ${part}`
    else if (room >= 8) return `${shown}  ${cutText(part, room)}`
    else return shown
  }
  return shown
}

function barText(share: number, columns: number, screen: Screen, canUnicode: boolean): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * columns)
  if (!canUnicode) return `[${'#'.repeat(Math.max(0, filled - 2)).padEnd(columns - 2, '.')}]`
  return screen.paint('green', '━'.repeat(filled)) + screen.paint('dim', (screen.canColor ? '━' : '─').repeat(columns - filled))
}

/** 100 only when all is done. */
function percentOf(progress: number, total: number): number {
  if (progress >= total) return 100
  return Math.max(0, Math.min(99, Math.round((progress / total) * 100)))
}

function countText(report: ProgressReport): string {
  const total = totalOf(report)
  if (total === undefined) return numberText(report.progress)
  return `${percentOf(report.progress, total)} % (${numberText(report.progress)} of ${numberText(total)})`
}

function ratePerSec({ report, first }: ProgressState, nowMs: number): number {
  if (report === undefined || first === undefined || nowMs - first.atMs < RATE_AFTER_MS) return 0
  return ((report.progress - first.progress) * 1_000) / (nowMs - first.atMs)
}

function rateText(state: ProgressState, nowMs: number): string {
  const rate = ratePerSec(state, nowMs)
  return rate > 0 ? `${numberText(rate)}/s` : ''
}

function timeLeftText(state: ProgressState, total: number, nowMs: number): string {
  const rate = ratePerSec(state, nowMs)
  if (rate <= 0 || state.report === undefined || state.report.progress >= total) return ''
  const sec = Math.ceil((total - state.report.progress) / rate)
  if (sec < 60) return `${sec} s left`
  return sec < 3_600 ? `${Math.round(sec / 60)} min left` : `${(sec / 3_600).toFixed(1)} h left`
}

function numberText(value: number): string {
  if (!Number.isFinite(value)) return String(value)
  return Number.isInteger(value) ? String(value) : value.toFixed(Math.abs(value) < 10 ? 1 : 0)
}
