/**
 * Real terminals for tests: a command in a pseudo-terminal whose screen is rendered by xterm, and a screen alone that takes
 * what is written to a stream. Both show what a person would see.
 */

import { PassThrough, Writable } from 'node:stream'
import { spawn } from '@lydell/node-pty'
import type { Terminal as Xterm } from '@xterm/headless'
import xterm from '@xterm/headless'

const KEYS = {
  enter: '\r', escape: '\u001b', tab: '\t', space: ' ', backspace: '\u007f', up: '\u001b[A', down: '\u001b[B', right: '\u001b[C',
  left: '\u001b[D', 'ctrl-c': '\u0003', 'ctrl-d': '\u0004', 'ctrl-u': '\u0015',
} as const

export type Key = keyof typeof KEYS

const WAIT_MS = 30_000
const VIRTUAL_WAIT_MS = 15_000
const LAST_WORDS_MS = 100
const SCROLLBACK_LINES = 5_000

export interface RenderedScreen {
  /** What is on the screen and above it, without trailing spaces and empty lines at the end. */
  readonly lines: () => string[]
  /** All lines, joined. */
  readonly text: () => string
  readonly isCursorVisible: () => boolean
}

export interface VirtualScreen extends RenderedScreen {
  /** A standard output that is a terminal. */
  readonly stream: Writable & { readonly isTTY: true; readonly columns: number; readonly rows: number }
  /** Resolves when all that was written is rendered. */
  readonly settled: () => Promise<void>
  readonly resize: (columns: number, rows: number) => void
  /** Everything that was written, escape sequences included. */
  readonly raw: () => string
}

export interface TerminalProcess extends RenderedScreen {
  readonly pid: number
  /** 128 + the signal's number where a signal ended it. */
  readonly exited: Promise<number>
  readonly type: (text: string) => void
  readonly press: (...keys: readonly Key[]) => void
  /** Resolves when the screen holds `wanted`, with all of it; rejects with the screen after 30 s, or when the process has ended without. */
  readonly waitFor: (wanted: string | RegExp, timeoutMs?: number) => Promise<string>
  readonly raw: () => string
  readonly resize: (columns: number, rows: number) => void
  /** As closing the window does. */
  readonly hangUp: () => void
  /** Ends the process, if it still runs. */
  readonly close: () => Promise<void>
}

export interface TerminalProcessOptions {
  readonly columns?: number
  readonly rows?: number
  readonly cwd?: string
  /** Added to the environment of the test; `undefined` removes. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** A terminal without a process, `columns` × `rows`. */
export function createVirtualScreen(columns = 80, rows = 24): VirtualScreen {
  const rendered = openXterm(columns, rows)
  let raw = ''
  let size = { columns, rows }
  const sink = new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      // What the line discipline of a real terminal does with a line break.
      raw += String(chunk)
      rendered.write(String(chunk).replaceAll('\n', '\r\n'))
      done()
    },
  })
  const stream = Object.defineProperties(sink, {
    isTTY: { value: true }, columns: { get: () => size.columns }, rows: { get: () => size.rows },
  }) as VirtualScreen['stream']
  return {
    ...rendered,
    stream,
    raw: () => raw,
    resize: (newColumns, newRows) => {
      size = { columns: newColumns, rows: newRows }
      rendered.terminal.resize(newColumns, newRows)
      stream.emit('resize')
    },
  }
}

/** Standard input with a person at it, who sees `screen`. */
export function createVirtualKeyboard(screen: VirtualScreen): {
  readonly stdin: PassThrough & { readonly isTTY: true; readonly setRawMode: (isRaw: boolean) => void }
  readonly isRaw: () => boolean
} & Pick<TerminalProcess, 'type' | 'press' | 'waitFor'> {
  let isRaw = false
  const stdin = Object.assign(new PassThrough(), { isTTY: true as const, setRawMode: (wanted: boolean) => void (isRaw = wanted) })
  const type = (text: string): void => void stdin.write(text)
  return {
    stdin,
    isRaw: () => isRaw,
    type,
    press: (...keys) => keys.forEach((key) => type(KEYS[key])),
    waitFor: (wanted, timeoutMs = VIRTUAL_WAIT_MS) => waitForText(screen, wanted, () => false, timeoutMs),
  }
}

async function waitForText(
  screen: Pick<VirtualScreen, 'settled' | 'text'>,
  wanted: string | RegExp,
  hasEnded: () => boolean,
  timeoutMs: number,
): Promise<string> {
  const untilMs = Date.now() + timeoutMs
  for (;;) {
    const isLast = hasEnded() || Date.now() > untilMs
    await screen.settled()
    const text = screen.text()
    if (typeof wanted === 'string' ? text.includes(wanted) : wanted.test(text)) return text
    if (isLast) throw new Error(`Not on the screen: ${wanted}${hasEnded() ? ' (the process has ended)' : ''}\n${text}`)
    await new Promise((resolve) => setTimeout(resolve, 15))
  }
}

/** Starts `command` in a pseudo-terminal of 80 × 24. */
export function startInTerminal(command: readonly string[], options: TerminalProcessOptions = {}): TerminalProcess {
  const { columns = 80, rows = 24, cwd = process.cwd() } = options
  const [file = '', ...args] = command
  const env = { ...process.env, CI: undefined, NO_COLOR: undefined, FORCE_COLOR: undefined, LANG: 'C.UTF-8', ...options.env }
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined))
  const pty = spawn(file, args, { name: 'xterm-256color', cols: columns, rows, cwd, env: present })
  const rendered = openXterm(columns, rows)
  let raw = ''
  let exitCode: number | undefined
  pty.onData((data) => {
    raw += data
    rendered.write(data)
  })
  // A terminal answers what is asked of it: so does this one.
  rendered.terminal.onData((answer) => pty.write(answer))
  const exited = new Promise<number>((resolve) => {
    pty.onExit(async (exit) => {
      // The end of a process may overtake its last words.
      await new Promise((settle) => setTimeout(settle, LAST_WORDS_MS))
      await rendered.settled()
      exitCode = exit.signal === undefined || exit.signal === 0 ? exit.exitCode : 128 + exit.signal
      resolve(exitCode)
    })
  })
  return {
    ...rendered,
    pid: pty.pid,
    exited,
    type: (text) => pty.write(text),
    press: (...keys) => keys.forEach((key) => pty.write(KEYS[key])),
    waitFor: (wanted, timeoutMs = WAIT_MS) => waitForText(rendered, wanted, () => exitCode !== undefined, timeoutMs),
    raw: () => raw,
    resize: (newColumns, newRows) => {
      pty.resize(newColumns, newRows)
      rendered.terminal.resize(newColumns, newRows)
    },
    // Not in its types.
    hangUp: () => (pty as typeof pty & { destroy(): void }).destroy(),
    close: async () => {
      if (exitCode === undefined) pty.kill('SIGKILL')
      await exited
    },
  }
}

function openXterm(columns: number, rows: number): RenderedScreen & {
  readonly terminal: Xterm
  readonly write: (data: string) => void
  readonly settled: () => Promise<void>
} {
  const terminal = new xterm.Terminal({ cols: columns, rows, scrollback: SCROLLBACK_LINES, allowProposedApi: true })
  let settled: Promise<void> = Promise.resolve()
  let isCursorVisible = true
  terminal.parser.registerCsiHandler({ prefix: '?', final: 'h' }, (params) => {
    if (params.includes(25)) isCursorVisible = true
    return false
  })
  terminal.parser.registerCsiHandler({ prefix: '?', final: 'l' }, (params) => {
    if (params.includes(25)) isCursorVisible = false
    return false
  })
  const lines = (): string[] => {
    const buffer = terminal.buffer.active
    const all = Array.from({ length: buffer.length }, (_, row) => buffer.getLine(row)?.translateToString(true) ?? '')
    return all.slice(0, all.findLastIndex((line) => line !== '') + 1)
  }
  return {
    terminal,
    lines,
    text: () => lines().join('\n'),
    isCursorVisible: () => isCursorVisible,
    settled: () => settled,
    write: (data) => {
      settled = new Promise((resolve) => terminal.write(data, resolve))
    },
  }
}
