import { describe, expect, it } from 'vitest'
import { loadCommands, namesFor } from './commands.ts'

describe('the commands that are loaded', () => {
  it.each([
    [['call', 'a/b', 'x=1'], ['call']],
    [['--no-color', 'tools'], ['tools']],
    [['completion', 'bash'], ['completion']],
    [['completion', 'complete', '--', 'call', ''], ['completion', 'call']],
    [['completion', 'complete-line', '--', ' =:', 'portolan call ev'], ['completion', 'call']],
    [['version'], []],
    [['--version'], []],
  ])('for %j are %j', (words, names) => {
    expect(namesFor(words)).toEqual(names)
  })

  it.each([[[]], [['--help']], [['help', 'call']], [['cal']], [['constructor']], [['completion', 'complete', '--', 'ca']], [['completion', 'complete-line', '--', ' =:', 'portolan ca']]])('for %j are all', (words) => {
    expect(namesFor(words).length).toBeGreaterThan(15)
  })

  it('have the names that they are loaded by', async () => {
    const names = namesFor([])
    expect((await loadCommands([])).map((command) => command.name())).toEqual(names)
  })
})
