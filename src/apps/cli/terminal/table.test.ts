import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { createVirtualScreen } from '../../../../test/terminal-rig.ts'
import { tableText } from './table.ts'
import { createTerminal } from './terminal.ts'
import type { Screen } from './terminal.ts'

const COLUMNS = [{ title: 'TOOL' }, { title: 'COUNT', align: 'right' as const }, { title: 'DESCRIPTION' }]
const ROWS = [
  ['read_file', '3', 'Reads a file and answers what is in it, whole or in part.'],
  ['list', '12', 'Lists a folder.'],
]

function pipe(): Screen {
  return createTerminal({ stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {} }).out
}

function screenOf(columns: number, env: Record<string, string> = {}): { screen: Screen; lines: (text: string) => Promise<string[]> } {
  const virtual = createVirtualScreen(columns)
  const screen = createTerminal({ stdin: new PassThrough(), stdout: virtual.stream, stderr: new PassThrough(), env }).out
  const lines = async (text: string): Promise<string[]> => {
    screen.write(text)
    await virtual.settled()
    return virtual.lines()
  }
  return { screen, lines }
}

describe('a table', () => {
  it('stands in columns on a terminal', async () => {
    const { screen, lines } = screenOf(80)
    expect(await lines(tableText(screen, COLUMNS, ROWS))).toEqual([
      'TOOL       COUNT  DESCRIPTION',
      'read_file      3  Reads a file and answers what is in it, whole or in part.',
      'list          12  Lists a folder.',
    ])
  })

  it('folds the last column to the width of a narrow terminal', async () => {
    const { screen, lines } = screenOf(40)
    expect(await lines(tableText(screen, COLUMNS, ROWS))).toEqual([
      'TOOL       COUNT  DESCRIPTION',
      'read_file      3  Reads a file and',
      '                  answers what is in it,',
      '                  whole or in part.',
      'list          12  Lists a folder.',
    ])
  })

  it('folds words that have no spaces, and the widest of the other columns too where that is not enough', async () => {
    const { screen, lines } = screenOf(40)
    const shown = await lines(tableText(screen, [{ title: 'NAME' }, { title: 'URL' }], [['a'.repeat(25), 'b'.repeat(25)]]))
    expect(shown.every((line) => line.length <= 40)).toBe(true)
    expect(shown.slice(1).map((line) => line.slice(0, 24).trim()).join('').replaceAll(/[ b]/g, '')).toBe('a'.repeat(25))
    expect(shown.slice(1).join('').replaceAll(/[ a]/g, '')).toBe('b'.repeat(25))
  })

  it('makes a paragraph of each row where columns would be too narrow to read', async () => {
    const { screen, lines } = screenOf(30)
    expect(await lines(tableText(screen, COLUMNS, [...ROWS, ['none', '-', '']]))).toEqual([
      'read_file',
      '  COUNT: 3',
      '  DESCRIPTION: Reads a file',
      '  and answers what is in it,',
      '  whole or in part.',
      'list',
      '  COUNT: 12',
      '  DESCRIPTION: Lists a folder.',
      'none',
    ])
  })

  it('leaves out columns that may be, before it gives up being a table', async () => {
    const { screen, lines } = screenOf(28)
    const columns = [{ title: 'SERVER' }, { title: 'PROMPTS OF IT', isExtra: true }, { title: 'TOOLS' }]
    expect(await lines(tableText(screen, columns, [['files', '3', '14']]))).toEqual(['SERVER  PROMPTS OF IT  TOOLS', 'files   3              14'])
    const narrow = screenOf(20)
    expect(await narrow.lines(tableText(narrow.screen, columns, [['files', '3', '14']]))).toEqual(['SERVER  TOOLS', 'files   14'])
    expect(tableText(pipe(), columns, [['files', '3', '14']])).toContain('PROMPTS')
  })

  it('never folds what is to be copied', () => {
    const columns = [{ title: 'TASK', isWhole: true }, { title: 'SERVER' }, { title: 'SAYS' }]
    const row = ['vFBArVm3GjOSaEadNLVFAAUC', 'a-server-of-mine-too', 'It is gone for good']
    expect(tableText(screenOf(60, { NO_COLOR: '1' }).screen, columns, [row])).toContain(row[0])
    expect(tableText(screenOf(40, { NO_COLOR: '1' }).screen, columns, [row])).toMatch(/^vFBArVm3GjOSaEadNLVFAAUC\n {2}SERVER/)
  })

  it('keeps every row on one line in a pipe', () => {
    expect(tableText(pipe(), COLUMNS, [['a', '1', 'x '.repeat(200)]]).split('\n')).toHaveLength(3)
  })

  it('aligns wide characters and emoji by what they take', () => {
    const rows = ['日本語', '👨‍👩‍👧', '🫠', '👍🏽', '🇨🇿', '❤️', 'e\u0301', 'abc'].map((cell) => [cell, '|'])
    const text = tableText(pipe(), [{ title: 'NAME' }, { title: 'X' }], rows)
    expect(text).toBe(['NAME    X', '日本語  |', '👨‍👩‍👧      |', '🫠      |', '👍🏽      |', '🇨🇿      |', '❤️      |', 'e\u0301       |', 'abc     |', ''].join('\n'))
  })

  it('shows what a server would do to the terminal, and takes no line breaks of it', async () => {
    const { screen, lines } = screenOf(60)
    const text = tableText(screen, [{ title: 'TOOL' }, { title: 'DESCRIPTION' }], [['a\u001b[2J', 'one\ntwo\u001b]0;x\u0007']])
    expect(await lines(text)).toEqual(['TOOL        DESCRIPTION', 'a\\u001b[2J  one two\\u001b]0;x\\u0007'])
  })

  it('has colours only where they are wanted', () => {
    const format = (cell: string): 'red' | undefined => (cell === 'down' ? 'red' : undefined)
    const columns = [{ title: 'STATE', format }]
    expect(tableText(screenOf(80).screen, columns, [['down']])).toContain('\u001b[31mdown\u001b[39m')
    expect(tableText(screenOf(80, { NO_COLOR: '1' }).screen, columns, [['down']])).toBe('STATE\ndown\n')
    expect(tableText(pipe(), columns, [['down']])).toBe('STATE\ndown\n')
  })
})
