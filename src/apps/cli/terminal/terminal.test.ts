import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createVirtualKeyboard, createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { createTerminal } from './terminal.ts'

function terminalOf(env: Record<string, string>, { isTty = true, color }: { isTty?: boolean; color?: boolean } = {}) {
  const screen = createVirtualScreen(60, 10)
  const stream = isTty ? screen.stream : new PassThrough()
  const terminal = createTerminal({ stdin: createVirtualKeyboard(screen).stdin, stdout: stream, stderr: stream, env, ...(color !== undefined && { color }) })
  return { terminal, screen }
}

describe('colours', () => {
  it('are there on a terminal that has them, unless the environment or the flag says no', () => {
    const canColor = (env: Record<string, string>, options = {}): boolean => terminalOf(env, options).terminal.out.canColor
    expect(canColor({})).toBe(true)
    expect(canColor({}, { isTty: false })).toBe(false)
    expect(canColor({ NO_COLOR: '1' })).toBe(false)
    expect(canColor({ NO_COLOR: '' })).toBe(true)
    expect(canColor({ TERM: 'dumb' })).toBe(false)
    expect(canColor({ FORCE_COLOR: '1' }, { isTty: false })).toBe(true)
    expect(canColor({ FORCE_COLOR: '0' })).toBe(false)
    expect(canColor({}, { color: false })).toBe(false)
    expect(canColor({ NO_COLOR: '1' }, { color: true, isTty: false })).toBe(true)
  })
})

describe('a terminal', () => {
  it('has a person at it where input and error are terminals that can redraw', () => {
    expect(terminalOf({ TERM: 'xterm' }).terminal.isInteractive).toBe(true)
    expect(terminalOf({ TERM: 'dumb' }).terminal.isInteractive).toBe(false)
    expect(terminalOf({}, { isTty: false }).terminal.isInteractive).toBe(false)
  })

  it('knows its size, and a size where there is none', () => {
    const { terminal, screen } = terminalOf({})
    expect([terminal.out.width(), terminal.out.height()]).toEqual([60, 10])
    screen.resize(20, 5)
    expect([terminal.out.width(), terminal.out.height()]).toEqual([20, 5])
    expect(terminalOf({}, { isTty: false }).terminal.out.width()).toBe(80)
    expect(terminalOf({ COLUMNS: '132' }, { isTty: false }).terminal.out.width()).toBe(132)
  })

  it('knows whether it may use more than ASCII', () => {
    expect([{}, { LANG: 'de_DE.UTF-8' }, { LANG: 'C' }, { LC_ALL: 'C', LANG: 'C.UTF-8' }, { TERM: 'linux' }].map((env) => terminalOf(env as Record<string, string>).terminal.canUnicode)).toEqual([true, true, false, false, false])
  })

  it('asks one question at a time, whatever becomes of the one before', async () => {
    const { terminal } = terminalOf({})
    const order: string[] = []
    const first = terminal.exclusively(async () => {
      order.push('first begins')
      await new Promise((resolve) => setTimeout(resolve, 20))
      order.push('first ends')
      throw new Error('no')
    })
    const second = terminal.exclusively(async () => order.push('second'))
    await expect(first).rejects.toThrow('no')
    await second
    expect(order).toEqual(['first begins', 'first ends', 'second'])
  })

  it('holds back what is written in the middle of a question', async () => {
    const { terminal, screen } = terminalOf({})
    await terminal.exclusively(async () => {
      terminal.out.write('result\n')
      terminal.err.write('log\n')
      screen.stream.write('question\n')
    })
    terminal.out.write('later\n')
    await screen.settled()
    expect(screen.lines()).toEqual(['question', 'result', 'log', 'later'])
  })

  it('draws bars again after a question', async () => {
    const { terminal, screen } = terminalOf({})
    const block = terminal.footer.open()
    block.draw(['bar'])
    await terminal.exclusively(async () => {
      screen.stream.write('question\n')
      await screen.settled()
      expect(screen.lines()).toEqual(['question'])
    })
    await screen.settled()
    expect(screen.lines()).toEqual(['question', 'bar'])
    terminal.close()
    await screen.settled()
    expect([screen.lines(), screen.isCursorVisible()]).toEqual([['question'], true])
  })
})
