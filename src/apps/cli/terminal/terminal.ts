/**
 * The terminal that a command talks to, made once per process. Results go to `out` (standard output), everything else
 * (questions, bars, notes) to `err`, so that `portolan call … | jq` still asks. Everything that is written goes through
 * here: what is redrawn in place at the bottom (`live.ts`) steps aside for it. `close()` gives the terminal back as it was.
 */

import { styleText } from 'node:util'
import type { Readable, Writable } from 'node:stream'
import { createFooter } from './live.ts'
import type { Footer } from './live.ts'

/** What `util.styleText` knows, for example `'dim'` or `['bold', 'red']`. */
export type Format = Parameters<typeof styleText>[0]

/** A stream as Node gives it: `isTTY`, `columns` and `rows` are there for terminals only. */
export type OutputStream = Writable & { readonly isTTY?: boolean; readonly columns?: number; readonly rows?: number }
export type InputStream = Readable & { readonly isTTY?: boolean; setRawMode?: (isRaw: boolean) => unknown }

type Environment = Readonly<Record<string, string | undefined>>

export interface TerminalOptions {
  readonly stdin: InputStream
  readonly stdout: OutputStream
  readonly stderr: OutputStream
  readonly env: Environment
  /** `--color` and `--no-color`: stronger than the environment. */
  readonly color?: boolean
}

/** One of the two outputs. */
export interface Screen {
  readonly stream: OutputStream
  /** A person reads it, not a file or a pipe. */
  readonly isTty: boolean
  readonly canColor: boolean
  /** Columns; 80 where unknown. It changes when the window does: ask each time. */
  readonly width: () => number
  /** Rows; 24 where unknown. */
  readonly height: () => number
  /** Writes `text` as it is, after the question that is being asked: what others wrote goes through `safe-text.ts` first. */
  readonly write: (text: string) => void
  /** `text` in colour or weight, or unchanged where colours are not wanted. */
  readonly paint: (format: Format, text: string) => string
}

export interface Terminal {
  readonly stdin: InputStream
  readonly out: Screen
  readonly err: Screen
  readonly env: Environment
  /** A person can be asked: standard input and error are terminals that can redraw. */
  readonly isInteractive: boolean
  /** Box and block characters may be used; else ASCII. */
  readonly canUnicode: boolean
  /** Where blocks are redrawn in place; used by `live.ts` and `progress.ts`. */
  readonly footer: Footer
  /** Runs one question at a time, in the order asked, with the footer hidden; what is written meanwhile comes after it. */
  readonly exclusively: <T>(question: () => Promise<T>) => Promise<T>
  /** Clears the footer and shows the cursor again. It may be called often. */
  readonly close: () => void
}

const DEFAULT_COLUMNS = 80
const DEFAULT_ROWS = 24

/** The terminal of this process: `createTerminal({ stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env }). */
export function createTerminal(options: TerminalOptions): Terminal {
  const { stdin, stdout, stderr, env } = options
  const footer = createFooter(stderr, stderr.isTTY === true && env['TERM'] !== 'dumb')
  // Log messages in the middle of a question would tear it apart: they come after it.
  let held: (() => void)[] | undefined
  const release = (): void => {
    const writes = held ?? []
    held = undefined
    for (const write of writes) write()
  }
  const writer = (stream: OutputStream): Screen['write'] => {
    if (stream.isTTY !== true) return (text) => void stream.write(text)
    const write = (text: string): void => footer.above(text, () => void stream.write(text))
    return (text) => (held === undefined ? write(text) : void held.push(() => write(text)))
  }
  let last: Promise<unknown> = Promise.resolve()
  const exclusively = <T>(question: () => Promise<T>): Promise<T> => {
    const asked = last.then(async () => {
      const resume = footer.pause()
      held = []
      try {
        return await question()
      } finally {
        release()
        resume()
      }
    })
    last = asked.catch(() => undefined)
    return asked
  }
  const close = (): void => {
    release()
    footer.close()
  }
  return {
    stdin,
    out: createScreen(stdout, options, writer(stdout)),
    err: createScreen(stderr, options, writer(stderr)),
    env,
    isInteractive: stdin.isTTY === true && stderr.isTTY === true && env['TERM'] !== 'dumb',
    canUnicode: canUnicode(env),
    footer,
    exclusively,
    close,
  }
}

function createScreen(stream: OutputStream, options: TerminalOptions, write: Screen['write']): Screen {
  const canColor = wantsColor(stream, options)
  return {
    stream,
    isTty: stream.isTTY === true,
    canColor,
    width: () => positive(stream.columns) ?? positive(Number(options.env['COLUMNS'])) ?? DEFAULT_COLUMNS,
    height: () => positive(stream.rows) ?? DEFAULT_ROWS,
    write,
    paint: (format, text) => (canColor ? styleText(format, text, { validateStream: false }) : text),
  }
}

/** `--no-color`, then FORCE_COLOR, NO_COLOR (no-color.org), TERM=dumb, then what the stream is. */
function wantsColor(stream: OutputStream, { env, color }: TerminalOptions): boolean {
  if (color !== undefined) return color
  const forced = env['FORCE_COLOR']
  if (forced !== undefined && forced !== '') return forced !== '0' && forced !== 'false'
  if ((env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb') return false
  return stream.isTTY === true
}

function canUnicode(env: Environment): boolean {
  if (env['TERM'] === 'linux' || env['TERM'] === 'dumb') return false
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return locale === '' || /utf-?8/i.test(locale)
}

function positive(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined
}
