import { describe, expect, it } from 'vitest'
import { HELP, parseCommandLine } from './command-line.ts'

const HTTP = { kind: 'http', port: 0, maxSessionCount: 1000, idleTimeoutMs: 600_000 }

describe('the command line', () => {
  it('serves stdio without options', () => {
    expect(parseCommandLine([])).toEqual({ ok: true, command: { kind: 'stdio' } })
  })

  it('serves HTTP on a free port with --http, and on the given one with --port', () => {
    expect(parseCommandLine(['--http'])).toEqual({ ok: true, command: HTTP })
    expect(parseCommandLine(['--port', '8080'])).toEqual({ ok: true, command: { ...HTTP, port: 8080 } })
  })

  it('takes the limits of sessions', () => {
    const parsed = parseCommandLine(['--http', '--max-sessions', '5', '--session-idle-seconds', '7'])
    expect(parsed).toEqual({ ok: true, command: { ...HTTP, maxSessionCount: 5, idleTimeoutMs: 7000 } })
  })

  it.each([
    [['--port', '65536'], '--port'],
    [['--port', '1e3'], '--port'],
    [['--port', ''], '--port'],
    [['--http', '--max-sessions', '0'], '--max-sessions'],
    [['--http', '--session-idle-seconds', '-1'], '--session-idle-seconds'],
    [['--nonsense'], '--nonsense'],
    [['positional'], 'positional'],
  ])('refuses %j and names what is wrong', (args, named) => {
    const parsed = parseCommandLine(args)
    expect(parsed.ok).toBe(false)
    expect(!parsed.ok && parsed.fault.message).toContain(named)
  })

  it('knows --help, and the help names every option', () => {
    expect(parseCommandLine(['--help'])).toEqual({ ok: true, command: { kind: 'help' } })
    for (const option of ['--http', '--port', '--max-sessions', '--session-idle-seconds']) expect(HELP).toContain(option)
  })
})
