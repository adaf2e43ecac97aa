import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { createProgress, progressLine } from './progress.ts'
import { createTerminal } from './terminal.ts'
import { textWidth } from './text-width.ts'

function terminalOf(columns = 80, env: Record<string, string> = {}) {
  const screen = createVirtualScreen(columns)
  const terminal = createTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: screen.stream, env: { NO_COLOR: '1', ...env } })
  return { screen, terminal }
}

const BEGUN = { label: 'files/index', startedAtMs: 0, first: { progress: 0, atMs: 0 } }

describe('a line of progress', () => {
  it('shows bar, percent, message, time left and rate where the total is known', () => {
    const { terminal } = terminalOf(100)
    const line = progressLine({ ...BEGUN, report: { progress: 25, total: 100, message: 'reading' } }, 5_000, terminal)
    expect(line).toMatch(/^files\/index ━{8}─{22}  25 %  reading  15 s left  5\/s$/)
  })

  it('shows a spinner and the count where the total is unknown', () => {
    const { terminal } = terminalOf()
    expect(progressLine({ ...BEGUN, report: { progress: 42, message: 'still at it' } }, 0, terminal)).toBe('⠋ files/index  42  still at it')
    expect(progressLine({ label: 'files/index', startedAtMs: 0 }, 100, terminal)).toBe('⠙ files/index')
  })

  it('fits 40 columns, and 12, whatever the message', () => {
    for (const columns of [40, 12]) {
      const { terminal } = terminalOf(columns)
      for (const total of [undefined, 100]) {
        const line = progressLine({ ...BEGUN, label: 'a/very-long-name-of-a-tool', report: { progress: 50, total, message: '日本語'.repeat(30) } }, 9_000, terminal)
        expect(textWidth(line)).toBeLessThan(columns)
      }
    }
    const { terminal } = terminalOf(40)
    expect(progressLine({ ...BEGUN, report: { progress: 1, total: 2, message: 'half way through' } }, 9_000, terminal)).toBe('files/index ━━━━━─────  50 %  half wa…')
  })

  it('says 100 % only at the end, and survives totals that make no sense', () => {
    const { terminal } = terminalOf()
    const lineOf = (progress: number, total: number): string => progressLine({ ...BEGUN, report: { progress, total } }, 0, terminal)
    expect(lineOf(999, 1_000)).toContain('99 %')
    expect(lineOf(1_000, 1_000)).toContain('100 %')
    expect(lineOf(2_000, 1_000)).toContain('100 %')
    expect(lineOf(-5, 10)).toContain('0 %')
    expect(lineOf(5, 0)).toBe('⠋ files/index  5')
  })

  it('is ASCII where the locale or the terminal knows no more', () => {
    const { terminal } = terminalOf(80, { TERM: 'linux' })
    expect(progressLine({ ...BEGUN, report: { progress: 1, total: 2 } }, 0, terminal)).toBe('files/index [#############...............]  50 %')
  })

  it('shows what a message would do to the terminal', () => {
    const { terminal } = terminalOf()
    expect(progressLine({ ...BEGUN, report: { progress: 1, message: '\u001b[2J\nx' } }, 0, terminal)).toContain('\\u001b[2J x')
  })
})

describe('several operations at once', () => {
  it('have one line each, which go when they are done', async () => {
    const { screen, terminal } = terminalOf()
    const progress = createProgress(terminal)
    const [first, second] = [progress.start('one'), progress.start('two')]
    first.report({ progress: 1, total: 4 })
    second.report({ progress: 3, total: 4 })
    await new Promise((resolve) => setTimeout(resolve, 150))
    await screen.settled()
    expect(screen.lines()).toEqual([expect.stringMatching(/^one .* 25 %/), expect.stringMatching(/^two .* 75 %/)])
    first.done()
    await screen.settled()
    second.done()
    await screen.settled()
    expect(screen.lines()).toEqual([])
    expect(screen.isCursorVisible()).toBe(true)
  })

  it('are silent where nothing can be drawn, or say plain lines where that is wanted', () => {
    const stderr = new PassThrough()
    const terminal = createTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr, env: {} })
    createProgress(terminal).start('one').report({ progress: 1, total: 2 })
    expect(stderr.read()).toBeNull()
    let atMs = 0
    const bar = createProgress(terminal, { isVerbose: true, nowMs: () => atMs }).start('one')
    for (atMs of [0, 10, 20, 1_500, 1_600]) bar.report({ progress: atMs, total: 1_600, message: 'x' })
    expect(String(stderr.read())).toBe('one: 0 % (0 of 1600)  x\none: 94 % (1500 of 1600)  x\none: 100 % (1600 of 1600)  x\n')
  })
})
