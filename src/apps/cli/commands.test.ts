import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { loadCommands, namesFor } from './commands.ts'

describe('the commands that are loaded', () => {
  it.each([
    [['call', 'a/b', 'x=1'], ['call']],
    [['--no-color', 'tools'], ['tools']],
    [['completion', 'bash'], ['completion']],
    [['completion', 'complete', '--', 'call', ''], ['completion', 'call']],
    [['completion', 'complete-line', '--', ' =:', 'portolan call ev'], ['completion', 'call']],
    [['help', 'call'], ['call']],
    [['version'], []],
    [['--version'], []],
  ])('for %j are %j', (words, names) => {
    expect(namesFor(words)).toEqual(names)
  })

  it.each([[[]], [['--help']], [['help']], [['cal']], [['constructor']]])('for %j are none: the help needs no module', (words) => {
    expect(namesFor(words)).toEqual([])
  })

  it.each([[['completion', 'complete', '--', 'ca']], [['completion', 'complete-line', '--', ' =:', 'portolan ca']]])('for %j are none beside it', (words) => {
    expect(namesFor(words)).toEqual(['completion'])
  })

  it('are in the help as their own modules have them, in the same order', async () => {
    const outlines = await loadCommands(['--help'])
    const [first] = outlines
    const helpOf = (commands: readonly Command[]): string[] => commands.map((command) => `${first?.createHelp().subcommandTerm(command)}: ${command.description()}`)
    const loaded = await Promise.all(outlines.map(async (outline) => (await loadCommands([outline.name()])).find((command) => command.name() === outline.name())))
    expect(outlines.length).toBeGreaterThan(20)
    expect(helpOf(loaded.flatMap((command) => command ?? []))).toEqual(helpOf(outlines))
    for (const [index, command] of loaded.entries()) expect(command).not.toBe(outlines[index])
  })
})
