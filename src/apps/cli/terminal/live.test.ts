import { describe, expect, it } from 'vitest'
import { createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { createFooter } from './live.ts'

function footerOf(columns = 40, rows = 10) {
  const screen = createVirtualScreen(columns, rows)
  let atMs = 1_000
  const footer = createFooter(screen.stream, true, () => (atMs += 100))
  const write = (text: string): void => footer.above(text, () => void screen.stream.write(text))
  const shown = async (): Promise<string[]> => {
    await screen.settled()
    return screen.lines()
  }
  return { screen, footer, write, shown }
}

describe('lines redrawn in place', () => {
  it('replaces what it drew, and takes it away when closed', async () => {
    const { footer, write, shown, screen } = footerOf()
    write('before\n')
    const block = footer.open()
    block.draw(['one', 'two'])
    expect(await shown()).toEqual(['before', 'one', 'two'])
    expect(screen.isCursorVisible()).toBe(false)
    block.draw(['three'])
    expect(await shown()).toEqual(['before', 'three'])
    block.close()
    expect(await shown()).toEqual(['before'])
    expect(screen.isCursorVisible()).toBe(true)
  })

  it('stays below what is written meanwhile', async () => {
    const { footer, write, shown } = footerOf()
    const block = footer.open()
    block.draw(['bar'])
    write('a\n')
    write('b')
    expect(await shown()).toEqual(['a', 'b'])
    write('c\n')
    block.draw(['bar 2'])
    expect(await shown()).toEqual(['a', 'bc', 'bar 2'])
  })

  it('stacks the blocks of several owners', async () => {
    const { footer, shown } = footerOf()
    const [first, second] = [footer.open(), footer.open()]
    second.draw(['second'])
    first.draw(['first'])
    expect(await shown()).toEqual(['first', 'second'])
    first.close()
    expect(await shown()).toEqual(['second'])
  })

  it('never draws more than the window holds', async () => {
    const { footer, shown, screen } = footerOf(40, 5)
    const block = footer.open()
    for (let round = 0; round < 5; round += 1) block.draw(Array.from({ length: 20 }, (_, line) => `${round}.${line}`))
    expect(await shown()).toEqual(['4.0', '4.1', '4.2', '… 17 lines more than fit here'])
    expect(screen.raw()).not.toContain('4.3')
    block.draw(['x'.repeat(100), 'y'])
    expect(await shown()).toEqual(['x'.repeat(40), 'x'.repeat(40), 'x'.repeat(20), 'y'])
    block.draw(['x'.repeat(100), 'y', 'z'])
    expect(await shown()).toEqual(['x'.repeat(40), 'x'.repeat(40), 'x'.repeat(20), '… 2 lines more than fit here'])
  })

  it('erases lines that a narrower window has wrapped', async () => {
    const { footer, write, shown, screen } = footerOf(40)
    write('before\n')
    const block = footer.open()
    block.draw(['x'.repeat(38)])
    await shown()
    screen.resize(20, 10)
    block.draw(['y'])
    expect(await shown()).toEqual(['before', 'y'])
  })

  it('hides while a question is asked, and comes back after the last one', async () => {
    const { footer, shown, screen } = footerOf()
    const block = footer.open()
    block.draw(['bar'])
    const resume = [footer.pause(), footer.pause()]
    block.draw(['bar 2'])
    expect(await shown()).toEqual([])
    expect(screen.isCursorVisible()).toBe(true)
    for (const again of resume) {
      expect(await shown()).toEqual([])
      again()
    }
    expect(await shown()).toEqual(['bar 2'])
  })

  it('draws at most 20 times a second', async () => {
    const screen = createVirtualScreen()
    const footer = createFooter(screen.stream, true, () => 1_000)
    const block = footer.open()
    for (let count = 0; count < 100; count += 1) block.draw([`${count}`])
    expect(screen.raw().split('\u001b[?2026h')).toHaveLength(2)
    await new Promise((resolve) => setTimeout(resolve, 120))
    await screen.settled()
    expect(screen.lines()).toEqual(['99'])
    footer.close()
  })

  it('leaves nothing behind when all is closed at once', async () => {
    const { footer, shown, screen } = footerOf()
    const exitListeners = process.listenerCount('exit')
    const block = footer.open()
    block.draw(['bar'])
    footer.close()
    block.draw(['late'])
    block.close()
    expect(await shown()).toEqual([])
    expect(screen.isCursorVisible()).toBe(true)
    expect(process.listenerCount('exit')).toBe(exitListeners)
    expect(screen.stream.listenerCount('resize')).toBe(0)
  })
})
