import { Command, Option } from 'commander'
import { describe, expect, it } from 'vitest'
import { completeLine, completeWords, shellWords } from './completion-words.ts'
import { completionScript } from './completion-script.ts'

const program = new Command('portolan')
const config = new Command('config').addCommand(new Command('check').description('check it')).addCommand(new Command('print'))
program.addCommand(config)
program.addCommand(new Command('call').description('call a tool').option('--json', 'as JSON').addOption(new Option('--era <era>').choices(['legacy', 'modern'])).option('--output <folder>'))

describe('the words of a line', () => {
  it.each([
    ['portolan ca', ['portolan', 'ca']],
    ['portolan call ', ['portolan', 'call', '']],
    [`a "b c" 'd "e' f\\ g`, ['a', 'b c', 'd "e', 'f g']],
    [`a 'open quote`, ['a', 'open quote']],
    ['', ['']],
  ])('%j are %j', (line, words) => {
    expect(shellWords(line)).toEqual(words)
  })
})

describe('what may follow', () => {
  it('is commands, their subcommands, flags, and the values of flags', async () => {
    expect(await completeWords(program, ['c'])).toBe('config\t\ncall\tcall a tool\n:4\n')
    expect(await completeWords(program, ['config', 'ch'])).toBe('check\tcheck it\n:4\n')
    expect(await completeWords(program, ['call', '--j'])).toBe('--json\tas JSON\n:4\n')
    expect(await completeWords(program, ['call', '--era', ''])).toBe('legacy\t\nmodern\t\n:4\n')
  })

  it('is files after a flag that takes any value, and after --', async () => {
    expect(await completeWords(program, ['call', '--output', 'x'])).toBe(':0\n')
    expect(await completeWords(program, ['call', '--', 'x'])).toBe(':0\n')
  })

  it('is nothing of servers where no Portolan runs', async () => {
    expect(await completeWords(program, ['call', 'x'])).toMatch(/^:4$/m)
  })

  it('is cut for bash after what ended its word', async () => {
    expect(await completeLine(program, '=:', 'portolan call --era m')).toBe('modern\t\n:4\n')
  })
})

describe('the script of a shell', () => {
  it.each(['bash', 'zsh', 'fish', 'powershell'])('of %s asks the completion command', (shell) => {
    expect(completionScript(shell)).toMatch(/portolan completion complete/)
  })

  it('of bash evaluates nothing', () => {
    expect(completionScript('bash')).not.toMatch(/\beval\b|compgen/)
  })
})
