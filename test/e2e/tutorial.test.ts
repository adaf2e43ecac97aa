import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createReader, shownPattern } from '../document-runner.ts'
import type { Reader } from '../document-runner.ts'
import { fencesOf, readDocument } from '../document.ts'
import { startInTerminal } from '../terminal-rig.ts'
import type { Key, TerminalProcess } from '../terminal-rig.ts'

const RECORDING = fileURLToPath(new URL('../../docs/tutorial-session.txt', import.meta.url))
const COLUMNS = 120
const STEP_MS = 45_000

/** What the reader does while a command runs: waits for something on the screen, and types. */
interface Doing {
  readonly command: RegExp
  readonly sees: RegExp
  /** Kept in the recording as what is on the screen then. */
  readonly caption: string
  readonly types?: string
  readonly presses?: readonly Key[]
}

const DOINGS: readonly Doing[] = [
  { command: /call reference\/test_wait/, sees: /50 %/, caption: 'while it works' },
  { command: /call reference\/test_elicitation/, sees: /◆ +response/, caption: 'the form', types: 'Lemon tart', presses: ['enter'] },
  { command: /call reference\/test_elicitation/, sees: /◆ +Send it\?/, caption: 'then', presses: ['enter'] },
]

/** One shell in a terminal, that says after each command, to us only, that it is done. */
interface Shell {
  /** Resolves with what the screen showed for it: frames with a caption, the last one without. Rejects unless it ended with 0. */
  run(command: string): Promise<readonly Frame[]>
  /** Types a command that does not end by itself, and waits for `sees`. */
  start(command: string, sees: RegExp): Promise<readonly Frame[]>
  interrupt(): Promise<void>
  close(): Promise<void>
}

interface Frame {
  readonly caption: string
  readonly lines: readonly string[]
}

let reader: Reader
let terminals: Shell[] = []
beforeAll(async () => {
  reader = await createReader()
})
afterAll(async () => {
  for (const terminal of terminals.splice(0)) await terminal.close()
  await reader.close()
})

async function openShell(): Promise<Shell> {
  const rc = join(reader.folder, '.shell')
  writeFileSync(rc, `${reader.preamble.replace('set -e\n', '').replace('exec 2>&1\n', '')}PS1='\\[\\e]0;done \\# $?\\a\\]$ '\nHISTFILE=\n`)
  const env = { ...reader.env, NO_COLOR: undefined, TERM: 'xterm-256color' }
  const terminal = startInTerminal(['/bin/bash', '--noprofile', '--rcfile', rc, '-i'], { columns: COLUMNS, rows: 40, cwd: reader.folder, env })
  let done = 1
  let isRunning = false
  await prompted(terminal, done)

  const frame = (command: string, caption: string): Frame => {
    const lines = terminal.lines().map((line) => line.trimEnd())
    const start = lines.findLastIndex((line) => line.startsWith(`$ ${command.slice(0, COLUMNS - 2)}`))
    const wrapped = Math.ceil((command.length + 2) / COLUMNS)
    const shown = lines.slice(start + wrapped)
    return { caption, lines: shown.at(-1) === '$' ? shown.slice(0, -1) : shown }
  }

  const shell: Shell = {
    async run(command) {
      terminal.type(`${command}\r`)
      const frames: Frame[] = []
      for (const doing of DOINGS.filter((one) => one.command.test(command))) {
        await terminal.waitFor(doing.sees, STEP_MS)
        frames.push(frame(command, doing.caption))
        if (doing.types !== undefined) terminal.type(doing.types)
        if (doing.presses !== undefined) terminal.press(...doing.presses)
      }
      done += 1
      const status = await prompted(terminal, done)
      // What doctor finds depends on the machine: its own tests say what it must find.
      if (status !== 0 && !command.startsWith('portolan doctor')) throw new Error(`${command} ended with ${status}:\n${terminal.text()}`)
      return [...frames, frame(command, '')]
    },
    async start(command, sees) {
      terminal.type(`${command}\r`)
      isRunning = true
      await terminal.waitFor(sees, STEP_MS)
      return [frame(command, '')]
    },
    async interrupt() {
      terminal.press('ctrl-c')
      isRunning = false
      done += 1
      await prompted(terminal, done)
      terminal.type('clear\r')
      done += 1
      await prompted(terminal, done)
    },
    async close() {
      if (isRunning) await shell.interrupt()
      terminal.type('exit\r')
      await Promise.race([terminal.exited, sleep(5_000)])
      await terminal.close()
    },
  }
  return shell
}

/** The prompt sets the terminal's title to the number of the command to come and the status of the one before, which is given back. */
async function prompted(terminal: TerminalProcess, number: number): Promise<number> {
  const title = new RegExp(`\u001b\\]0;done ${number} (\\d+)\u0007`)
  for (const untilMs = Date.now() + STEP_MS; ; await sleep(20)) {
    const [, status] = title.exec(terminal.raw()) ?? []
    if (status !== undefined) {
      await terminal.waitFor(/\$ ?$/, 5_000)
      return Number(status)
    }
    if (Date.now() > untilMs) throw new Error(`the command does not end:\n${terminal.text()}`)
  }
}

interface Served {
  readonly config: { readonly digest: string }
  readonly servers: readonly { readonly state: string }[]
}

function served(): Promise<Served> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: join(reader.folder, '.local/share/portolan/operations.sock'), path: '/status' }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(JSON.parse(text) as Served))
    })
    asked.on('error', reject)
    asked.end()
  })
}

/** Writes the configuration, and waits until the gateway has noticed by itself. */
async function rewrite(path: string, text: string): Promise<void> {
  const before = await served()
  writeFileSync(path, text)
  for (const untilMs = Date.now() + STEP_MS; (await served()).config.digest === before.config.digest; await sleep(50)) {
    if (Date.now() > untilMs) throw new Error(`${path} was changed, and the gateway does not notice`)
  }
}

/** A reader looks at the banner for longer than servers need to say who they are. */
async function allKnown(): Promise<void> {
  for (const untilMs = Date.now() + STEP_MS; (await served()).servers.some(({ state }) => state === 'starting'); await sleep(50)) {
    if (Date.now() > untilMs) throw new Error('a server does not say who it is')
  }
}

/** What differs from one run to the next, as a reader might have it. */
function normal(text: string): string {
  const token = readFileSync(join(reader.folder, '.local/share/portolan/token'), 'utf8').trim()
  const port = reader.here('7400')
  return text
    .replaceAll(token, 'the-token-0123456789abcdefghijklmnopqrstuvw')
    .replaceAll(reader.folder, '/home/me')
    .replaceAll(port, '7400')
    .replaceAll(/process \d+/g, 'process 12345')
    .replaceAll(/\(([0-9a-f]{12})\)/g, '(0123456789ab)')
    // How many children and sessions a call leaves behind for a while, and how often a dead one is started again, depends on who asks first.
    .replaceAll(/^(files +stdio .*?)\d+( +)\d+( +)(\d+)$/gm, (_row, head: string, gap: string, last: string, restarts: string) => `${head}1${gap}1${last}${Math.min(Number(restarts), 1)}`)
    .replaceAll(/ready for \d+ (s|min)/g, 'ready for 5 s')
    .replaceAll(/read \d+ (s|min) ago/g, 'read 5 s ago')
    .replaceAll(/\d+ MiB of memory/g, '100 MiB of memory')
    .replaceAll(/^Requests since the start: .*$/gm, 'Requests since the start: 20, 2.0 a second, 0 % refused, p50 1.5 ms, p99 300 ms')
    .replaceAll(/ \d+ s left +[\d.]+\/s/g, ' 2 s left  2.0/s')
    .replaceAll(/answered after [\d.]+ s/g, 'answered after 0.4 s')
}

describe('docs/tutorial.md', () => {
  it('works as it is written, and shows what docs/tutorial-session.txt has recorded', { timeout: 300_000 }, async () => {
    const first = await openShell()
    const second = await openShell()
    terminals = [first, second]
    const recording: string[] = []
    const faults: string[] = []
    let isUp = false
    let frames: readonly Frame[] = []
    for (const { text, mark, line } of fencesOf(readDocument('docs/tutorial.md'))) {
      const [, name] = /^file=(\S+)$/.exec(mark) ?? []
      if (name !== undefined) {
        await rewrite(join(reader.folder, name), text)
        recording.push(`── ${basename(name)} is replaced`, '')
      }
      if (mark === 'background') {
        if (isUp) await first.interrupt()
        recording.push(...recorded('first terminal', text.trim(), await first.start(text.trim(), /Ctrl\+C stops it.*doing\./)))
        isUp = true
        await allKnown()
      }
      if (mark === 'terminal') {
        frames = []
        for (const command of text.trim().split('\n')) {
          const shown = await second.run(reader.here(command))
          recording.push(...recorded('second terminal', command, shown))
          frames = [...frames, ...shown]
        }
      }
      if (mark.startsWith('shows')) {
        const captioned = frames.filter(({ caption }) => caption === mark.slice('shows '.length))
        const shown = normal(captioned.flatMap(({ lines }) => lines).join('\n'))
        if (!shownPattern(text).test(`${tidy(shown)}\n`)) faults.push(`line ${line} is not what is shown:\n${shown}`)
      }
    }
    const session = `${HEADING}${normal(recording.join('\n'))}\n`
    if (process.env['PORTOLAN_UPDATE_DOCUMENTS'] !== undefined) writeFileSync(RECORDING, session)
    expect(faults).toEqual([])
    expect(session, 'with PORTOLAN_UPDATE_DOCUMENTS=1 this test writes it').toBe(readFileSync(RECORDING, 'utf8'))
  })
})

const HEADING = `The tutorial (tutorial.md), typed into two real terminals of ${COLUMNS} columns by test/e2e/tutorial.test.ts, and what they showed.
Tokens, ports, process numbers, digests and times are replaced.

`

/** Lines of `portolan doctor` that say the same on every machine. */
const OF_EVERY_MACHINE = /^\S (configuration|references|secrets|start|output|era|names|tools) /

function recorded(where: string, command: string, frames: readonly Frame[]): string[] {
  return [
    `── ${where}`,
    `$ ${command}`,
    ...(command === 'portolan doctor' ? doctored(frames) : frames).flatMap(({ caption, lines }) => [...(caption === '' ? [] : [`· ${caption}:`]), ...lines.map((line) => (caption === '' ? line : `· ${line}`.trimEnd()))]),
    '',
  ]
}

function doctored(frames: readonly Frame[]): Frame[] {
  return frames.map(({ caption, lines }) => ({ caption, lines: [...lines.filter((line) => OF_EVERY_MACHINE.test(line)), '…'] }))
}

function tidy(text: string): string {
  return text.trim().replaceAll(/[ \t]+/g, ' ').replaceAll(/ $/gm, '')
}
