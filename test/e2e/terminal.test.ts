import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { startPortolan, stopPortolan } from '../portolan-process.ts'
import { startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { startInTerminal } from '../terminal-rig.ts'
import type { TerminalProcess, TerminalProcessOptions } from '../terminal-rig.ts'

const SOURCE_MAIN = fileURLToPath(new URL('../../src/apps/cli/main.ts', import.meta.url))
const LAUNCHER = fileURLToPath(new URL('../../scripts/run.mjs', import.meta.url))
const PORTOLAN = [process.execPath, CLI_MAIN]

/** One for all: what a terminal shows does not hang on the way to the server. */
let reference: ReferenceServerProcess
beforeAll(async () => {
  reference = await startReferenceServer()
})
afterAll(() => reference?.stop())
const atServer = (): string[] => ['--url', reference.url]

let folder = ''
const started: TerminalProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-terminal-'))
})
afterEach(async () => {
  await Promise.all(started.splice(0).map((one) => one.close()))
  rmSync(folder, { recursive: true, force: true })
})

function start(command: readonly string[], options: TerminalProcessOptions = {}): TerminalProcess {
  const terminal = startInTerminal(command, { cwd: folder, ...options })
  started.push(terminal)
  return terminal
}

/** `portolan call …` of the reference server. */
function call(words: readonly string[], options: TerminalProcessOptions = {}): TerminalProcess {
  return start([...PORTOLAN, 'call', ...words, ...atServer()], options)
}

/** The same under a shell that says how it ended and what it left the terminal as. */
function callUnderShell(command: readonly string[], options: TerminalProcessOptions = {}): TerminalProcess {
  return start(['sh', '-c', 'trap : INT; "$@"; echo "exit $?"; stty -a', 'sh', ...command], options)
}

for (const era of ['legacy', 'modern']) {
  describe(`a form, ${era}`, () => {
    it('is filled, mended, reviewed and sent', async () => {
      const terminal = call(['test_elicitation', 'message=Who are you?', '--era', era])
      const asked = await terminal.waitFor('response')
      expect(asked).toContain(`${new URL(reference.url).host} asks for information`)
      expect(asked).toContain('Who are you?')
      terminal.press('enter')
      await terminal.waitFor('An answer is required.')
      terminal.type('Ada Lovelace')
      terminal.press('enter')
      expect(await terminal.waitFor('Send it?')).toContain('response: Ada Lovelace')
      terminal.press('enter')
      await terminal.waitFor('User response: action=accept, content={"response":"Ada Lovelace"}')
      expect(await terminal.exited).toBe(0)
      expect(terminal.isCursorVisible()).toBe(true)
    })

    it('is declined with Ctrl-D and cancelled with Esc', async () => {
      for (const [key, action] of [['ctrl-d', 'decline'], ['escape', 'cancel']] as const) {
        const terminal = call(['test_elicitation', 'message=Who are you?', '--era', era])
        await terminal.waitFor('◆  response')
        terminal.press(key)
        await terminal.waitFor(`User response: action=${action}`)
        expect(await terminal.exited).toBe(0)
      }
    })
  })
}

describe('a form', () => {
  it('has the defaults of every type, and choices with and without titles', async () => {
    const defaults = call(['test_elicitation_sep1034_defaults'])
    for (const field of ['name', 'age', 'score', 'status', 'verified']) {
      await defaults.waitFor(`◆  ${field}`)
      defaults.press('enter')
    }
    await defaults.waitFor('Send it?')
    defaults.press('enter')
    const shown = await defaults.waitFor('Elicitation completed')
    expect(shown.replaceAll('\n', '')).toContain('{"name":"John Doe","age":30,"score":95.5,"status":"active","verified":true}')

    const choices = call(['test_elicitation_sep1330_enums'])
    for (const [field, keys] of [['untitledSingle', ['down', 'enter']], ['titledSingle', ['enter']], ['legacyEnum', ['enter']], ['untitledMulti', ['space', 'down', 'space', 'enter']], ['titledMulti', ['enter']]] as const) {
      await choices.waitFor(`◆  ${field}`)
      choices.press(...keys)
    }
    await choices.waitFor('Send it?')
    choices.press('enter')
    expect((await choices.waitFor('Elicitation completed')).replaceAll('\n', '')).toContain('"untitledMulti":["option1","option2"]')
  })

  it('comes several times in a row, and with other questions at once', async () => {
    const rounds = call(['test_input_required_result_multi_round'])
    await rounds.waitFor('◆  name')
    rounds.type('Ada')
    rounds.press('enter')
    await rounds.waitFor('◆  Send it?')
    rounds.press('enter')
    await rounds.waitFor('◆  color')
    rounds.type('green')
    rounds.press('enter')
    await rounds.waitFor(/color: green[^]*◆ {2}Send it\?/)
    rounds.press('enter')
    await rounds.waitFor('Multi-round complete: Ada likes green')

    const several = call(['test_input_required_result_multiple_inputs', '--root', folder])
    await several.waitFor('◆  name')
    several.type('Ada')
    several.press('enter')
    await several.waitFor('◆  Send it?')
    several.press('enter')
    await several.waitFor('◆  Your answer')
    several.type('Hello')
    several.press('ctrl-d')
    await several.waitFor(/Hello[^]*◆ {2}Send it\?/)
    several.press('enter')
    await several.waitFor('Hello Ada: 1 root(s) visible')
  })

  it('is not answered by what was typed before it was seen', async () => {
    const terminal = call(['test_elicitation', 'message=x'])
    terminal.type('early\r')
    await terminal.waitFor('◆  response')
    terminal.type('late')
    terminal.press('enter')
    expect(await terminal.waitFor('◆  Send it?')).toContain('response: late\n')
    terminal.press('escape')
    await terminal.waitFor('User response: action=cancel')
  })

  it('is asked although the result goes into a pipe', async () => {
    const script = '"$@" | tr a-z A-Z'
    const terminal = start(['sh', '-c', script, 'sh', ...PORTOLAN, 'call', 'test_elicitation', 'message=x', ...atServer()])
    await terminal.waitFor('◆  response')
    terminal.type('yes')
    terminal.press('enter')
    await terminal.waitFor('Send it?')
    terminal.press('enter')
    await terminal.waitFor('USER RESPONSE: ACTION=ACCEPT, CONTENT={"RESPONSE":"YES"}')
  })
})

describe('a page to visit', () => {
  it('is opened in the browser after consent, and not before', async () => {
    const visited = join(folder, 'visited')
    const browser = join(folder, 'browser')
    writeFileSync(browser, `#!/bin/sh\nprintf %s "$1" > '${visited}'\n`)
    chmodSync(browser, 0o755)
    const terminal = call(['test_elicitation_url'], { env: { BROWSER: browser, DISPLAY: undefined } })
    const asked = await terminal.waitFor('Visit it?')
    expect(asked).toContain('asks you to visit a page')
    expect(asked).toContain('https://example.com/confirm\n')
    expect(asked).toContain('Host: example.com')
    expect(readdirSync(folder)).toEqual(['browser'])
    terminal.press('down', 'enter')
    await terminal.waitFor('URL elicitation: action=accept')
    await expect.poll(() => readdirSync(folder)).toContain('visited')
    expect(readFileSync(visited, 'utf8')).toBe('https://example.com/confirm')
  })

  it('is declined by a careless Enter', async () => {
    const terminal = call(['test_elicitation_url'])
    await terminal.waitFor('Visit it?')
    terminal.press('enter')
    await terminal.waitFor('URL elicitation: action=decline')
  })
})

describe('a request for a message of a model', () => {
  it('is answered by the person', async () => {
    const terminal = call(['test_sampling', 'prompt=What is the capital of France?'])
    const asked = await terminal.waitFor('◆  Your answer')
    expect(asked).toContain('What is the capital of France?')
    expect(asked).toContain('at most 100 tokens')
    terminal.type('Paris')
    terminal.press('ctrl-d')
    await terminal.waitFor('Send it?')
    terminal.press('enter')
    await terminal.waitFor('LLM response: Paris')
    expect(await terminal.exited).toBe(0)
  })
})

describe('progress', () => {
  it('is a bar that moves, and is gone when the call is done', async () => {
    const terminal = call(['test_wait', 'milliseconds=2000', 'steps=20'])
    await terminal.waitFor(/test_wait ━+ +\d+ % +Waited \d+ of 20/)
    expect(terminal.isCursorVisible()).toBe(false)
    await terminal.waitFor('Waited 2000 ms')
    expect(await terminal.exited).toBe(0)
    expect(terminal.lines()).toEqual(['Waited 2000 ms'])
    expect(terminal.isCursorVisible()).toBe(true)
  })

  it('is drawn at most 20 times a second, however fast it comes', async () => {
    const terminal = call(['test_burst', 'count=5000'])
    const beganAtMs = Date.now()
    await terminal.exited
    const elapsedSec = (Date.now() - beganAtMs) / 1_000
    expect(terminal.raw().split('\u001b[?2026h').length - 1).toBeLessThan(20 * elapsedSec + 5)
  })

  it('fits a terminal of 40 columns, in one line', async () => {
    const terminal = call(['test_wait', 'milliseconds=1500', 'steps=10'], { columns: 40 })
    await terminal.waitFor(/\d\d %/)
    expect(terminal.lines()).toHaveLength(1)
    await terminal.exited
    expect(terminal.lines()).toEqual(['Waited 1500 ms'])
  })
})

describe('a live view', () => {
  it('is redrawn in place, in a window that changes, and gives the terminal back on Ctrl-C', async () => {
    const data = join(folder, 'data')
    const portolan = await startPortolan(data)
    try {
      const terminal = callUnderShell([...PORTOLAN, 'status', '--watch', '--data', data], { columns: 100 })
      await terminal.waitFor('Ctrl+C ends it')
      expect(terminal.isCursorVisible()).toBe(false)
      const frames = (): number => terminal.raw().split('\u001b[?2026h').length
      const drawn = frames()
      await expect.poll(frames).toBeGreaterThan(drawn + 1)
      expect(terminal.text().split('Ctrl+C ends it')).toHaveLength(2)
      terminal.resize(60, 24)
      const resized = frames()
      await expect.poll(frames).toBeGreaterThan(resized + 1)
      expect(terminal.text().split('Ctrl+C ends it')).toHaveLength(2)
      terminal.press('ctrl-c')
      const left = await terminal.waitFor('exit ')
      expect(left).not.toContain('Ctrl+C ends it')
      await terminal.exited
      expect(terminal.text()).toMatch(/(?<!-)icanon/)
      expect(terminal.isCursorVisible()).toBe(true)
    } finally {
      await stopPortolan(portolan)
    }
  })
})

describe('Ctrl-C in mid-call', () => {
  for (const [how, launch] of [['', PORTOLAN], [', which comes twice under a launcher that passes it on', [process.execPath, LAUNCHER, SOURCE_MAIN]]] as const) {
    it(`tells the server, ends with 130 and leaves the terminal as it was${how}`, async () => {
      const server = await startReferenceServer()
      try {
        const terminal = callUnderShell([...launch, 'call', 'test_wait', 'milliseconds=60000', 'steps=600', '--url', server.url])
        await terminal.waitFor(/━.*%/)
        terminal.press('ctrl-c')
        const shown = await terminal.waitFor('exit 130')
        expect(shown).not.toContain('━')
        // Said at an orderly end only.
        expect(shown).toContain('cancelled')
        expect(await terminal.exited).toBe(0)
        expect(terminal.text()).toMatch(/(?<!-)icanon/)
        expect(terminal.text()).toMatch(/(?<!-)echo /)
        expect(terminal.isCursorVisible()).toBe(true)
        const counted = start([...PORTOLAN, 'read', 'test://cancelled-calls', '--url', server.url])
        expect(await counted.waitFor(/\d/)).toContain('1')
      } finally {
        await server.stop()
      }
    })
  }

  it('at a question cancels the question only, and leaves the terminal as it was', async () => {
    const terminal = callUnderShell([...PORTOLAN, 'call', 'test_elicitation', 'message=x', ...atServer()])
    await terminal.waitFor('◆  response')
    terminal.press('ctrl-c')
    const shown = await terminal.waitFor('exit 0')
    expect(shown).toContain('User response: action=cancel')
    await terminal.exited
    expect(terminal.text()).toMatch(/(?<!-)icanon/)
    expect(terminal.isCursorVisible()).toBe(true)
  })
})

describe('what is shown', () => {
  it('has no colours with NO_COLOR, questions included', async () => {
    const terminal = call(['test_elicitation', 'message=x'], { env: { NO_COLOR: '1' } })
    await terminal.waitFor('◆  response')
    terminal.type('y')
    terminal.press('enter')
    await terminal.waitFor('Send it?')
    terminal.press('enter')
    await terminal.exited
    // The cursor of a field is shown in reverse; nothing else may be.
    const sequences = terminal.raw().split('\u001b[').flatMap((part) => /^([0-9;]*)m/.exec(part)?.[1] ?? [])
    expect(sequences.filter((code) => !['7', '8', '27', '28'].includes(code ?? ''))).toEqual([])
  })

  it('has no colours with --no-color, whatever the environment forces', async () => {
    const listed = async (...flags: string[]): Promise<string> => {
      const terminal = start([...PORTOLAN, 'tools', ...flags, ...atServer()], { env: { FORCE_COLOR: '1' } })
      expect(await terminal.exited).toBe(0)
      return terminal.raw()
    }
    expect(await listed()).toContain('\u001b[2mTOOL')
    expect(await listed('--no-color')).not.toContain('\u001b[2m')
  })

  it('fits 40 columns: tables fold, forms fold', async () => {
    const tools = start([...PORTOLAN, 'tools', ...atServer()], { columns: 40 })
    expect(await tools.exited).toBe(0)
    await tools.waitFor('test_simple_text')
    const form = call(['test_elicitation', 'message=A question that is much too long for one line of this narrow terminal.'], { columns: 40 })
    await form.waitFor('◆  response')
    expect(form.lines()).toContain('│  A question that is much too long for')
  })

  it('is bare in a pipe', async () => {
    const words = ['call', 'test_wait', 'milliseconds=300', 'steps=3', ...atServer()]
    const terminal = start(['sh', '-c', '"$@" > out 2> err < /dev/null', 'sh', ...PORTOLAN, ...words])
    expect(await terminal.exited).toBe(0)
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('Waited 300 ms\n')
    expect(readFileSync(join(folder, 'err'), 'utf8')).toBe('')
  })

  it('saves an image and says where', async () => {
    const terminal = call(['test_image_content', '--output', 'pictures'])
    await terminal.waitFor(/Saved pictures\/test_image_content\.png \(image\/png, 70 bytes, 1 × 1 pixels\)/)
    expect(readdirSync(join(folder, 'pictures'))).toEqual(['test_image_content.png'])
  })
})

describe('a server that would steer the terminal', () => {
  const HOSTILE = ['--', process.execPath, fileURLToPath(new URL('../fixtures/terminal/hostile-server.ts', import.meta.url))]
  const EVIL = ['\u001b]0;', '\u001b]8;', '\u001b]52;', '\u001b[2J', '\u001b[31mX', '\u001b[1A\u009b', '\u009b', '\u202e', '\u200b', '\u0007']

  async function shown(words: readonly string[], answer = false): Promise<void> {
    const terminal = start([...PORTOLAN, ...words, '--era', 'legacy', ...HOSTILE], { columns: 100 })
    if (answer) {
      await terminal.waitFor(/\d+ %.*\\u001b/)
      await terminal.waitFor('No answer')
      terminal.press('enter')
      await terminal.waitFor('Send it?')
      terminal.press('enter')
    }
    await terminal.exited
    expect(terminal.text(), words.join(' ')).toContain('\\u001b')
    expect(EVIL.filter((sequence) => terminal.raw().includes(sequence)), words.join(' ')).toEqual([])
  }

  it('steers nothing with its lists', async () => {
    for (const words of [['servers'], ['tools'], ['tools', 'evil'], ['resources'], ['prompts'], ['tools', 'no-such-tool']]) await shown(words)
  })

  it('steers nothing with resources, prompts and completions', async () => {
    for (const words of [['read', 'test://x'], ['get', 'evil', 'a=b'], ['complete', 'evil', 'a=b']]) await shown(words)
  })

  it('steers nothing with questions, progress, log messages, results and errors', async () => {
    await shown(['call', 'evil'], true)
    await shown(['call', 'fails'])
    await shown(['call', 'refuses'])
  })

  it('steers nothing with JSON on a terminal', async () => {
    for (const words of [['tools', '--json'], ['call', 'fails', '--json'], ['get', 'evil', 'a=b', '--json']]) await shown(words)
  })
})

describe('portolan add of a server that is slow', () => {
  it('shows that it waits, and is ended by Ctrl+C', async () => {
    const terminal = callUnderShell([...PORTOLAN, 'add', 'slow', '--data', folder, '--', process.execPath, '-e', 'setInterval(() => 0, 1000)'])
    await terminal.waitFor('Waiting for slow to start and to answer')
    terminal.press('ctrl-c')
    const ended = await terminal.waitFor('exit 130')
    expect(ended).toContain('The trial of slow was stopped.')
    expect(ended).not.toContain('Waiting for')
  })
})
