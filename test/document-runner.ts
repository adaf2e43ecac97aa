/**
 * Does what a document tells its reader to do, in a folder of its own: writes its files, runs its commands, keeps what it starts
 * in the background until the end, and compares what is printed with what the document shows.
 *
 * Marks of fences: `json file=NAME` (any language) is written; `sh run` must end with 0; `sh background` runs until the end;
 * `text shows` is the whole output of the block before it (its start, in the background) but for log messages of servers, `…` standing for
 * anything, and alone on a line for any lines.
 */

import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CLI_MAIN } from './compiled.ts'
import type { Fence } from './document.ts'
import { freePort } from './services/free-port.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const COMMAND_MS = 60_000

/** What happened where a document does not do what it says. */
export interface Fault {
  readonly line: number
  readonly problem: string
}

export interface Reader {
  /** The reader's home and working folder. */
  readonly folder: string
  /** Of the environment in which the commands run. */
  readonly env: NodeJS.ProcessEnv
  /** What stands before every script: `portolan` and `npm` as a reader has them. */
  readonly preamble: string
  /** A document's text with its example port and folders replaced by this reader's. */
  here(text: string): string
  /** Never rejects: what is wrong is a fault, and the rest is not tried. */
  follow(fences: readonly Fence[]): Promise<Fault[]>
  /** Ends what is running and removes the folder. */
  close(): Promise<void>
}

export async function createReader(): Promise<Reader> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-documents-'))
  const port = await freePort()
  const background: ChildProcess[] = []
  mkdirSync(join(folder, 'files'))
  const env = { ...process.env, PATH: `${writeNpx(folder)}:${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`, HOME: folder, XDG_DATA_HOME: join(folder, '.local/share'), NO_COLOR: '1' }
  const preamble = [
    'set -e',
    'exec 2>&1',
    `portolan() { if [ "$1" = up ]; then shift; set -- up --port ${port} "$@"; fi; "${process.execPath}" "${CLI_MAIN}" "$@"; }`,
    'npm() { case "$1 $2" in "start "*) shift; [ "$1" != -- ] || shift; portolan up "$@";; "run -s") shift 4; portolan "$@";; *) command npm "$@";; esac; }',
    '',
  ].join('\n')
  const here = (text: string): string => text.replaceAll('7400', String(port)).replaceAll('/srv/files', join(folder, 'files'))

  async function one({ text, mark }: Fence, printed: string | undefined): Promise<string | undefined> {
    const [, name] = /\bfile=(\S+)/.exec(mark) ?? []
    if (name !== undefined) {
      mkdirSync(dirname(join(folder, name)), { recursive: true })
      writeFileSync(join(folder, name), here(text))
    }
    if (mark === 'background') {
      const { child, said } = await startInBackground(`${preamble}${here(text)}`, { cwd: folder, env })
      background.push(child)
      return said
    }
    if (mark === 'run') return await run(`${preamble}${here(text)}`, { cwd: folder, env })
    if (mark === 'shows') compare(here(text), printed)
    return undefined
  }

  return {
    folder,
    env,
    preamble,
    here,
    async follow(fences) {
      let printed: string | undefined
      for (const fence of fences) {
        try {
          printed = await one(fence, printed)
        } catch (error) {
          return [{ line: fence.line, problem: error instanceof Error ? error.message : String(error) }]
        }
      }
      return []
    },
    async close() {
      for (const child of background.splice(0)) {
        const closed = new Promise((resolve) => child.once('close', resolve))
        if (child.pid === undefined || child.exitCode !== null) continue
        process.kill(-child.pid, 'SIGTERM')
        await closed
      }
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}

/** What is shown as one pattern. Columns may be wider or narrower than in the document. */
export function shownPattern(shown: string): RegExp {
  const lines = tidy(shown).split('\n').map((line) => {
    if (line === '…') return '(?:.*\\n)*?'
    const parts = line.split('…').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return `${parts.join('.*?')}\\n`
  })
  return new RegExp(`^${lines.join('')}$`)
}

function compare(shown: string, printed: string | undefined): void {
  if (printed === undefined) throw new Error('shows the output of nothing: a block that runs must stand right before it')
  if (isShown(shown, printed)) return
  throw new Error(`is not what is printed:\n${printed}`)
}

/** `reference example info: Hello`, as the client notes it on standard error. */
const LOG_MESSAGE = /^\S+(?: \S+)? (?:debug|info|notice|warning|error|critical|alert|emergency): .*(?:\n|$)/gm

/** Whether this is what was printed. Log messages that a server sends by itself come before a result, after it or not at all: only who shows one waits for it. */
export function isShown(shown: string, printed: string): boolean {
  const whole = tidy(printed)
  return [whole, whole.replaceAll(LOG_MESSAGE, '').trimEnd()].some((text) => shownPattern(shown).test(`${text}\n`))
}

function tidy(text: string): string {
  return text.trim().replaceAll(/[ \t]+/g, ' ').replaceAll(/ $/gm, '')
}

/** Resolves with what was printed; rejects unless it ends with 0. Not synchronous: a test may have to answer meanwhile. */
function run(script: string, options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): Promise<string> {
  const child = spawn('/bin/bash', ['-c', script], { ...options, stdio: ['ignore', 'pipe', 'pipe'], timeout: COMMAND_MS })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (printed += text))
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => (code === 0 ? resolve(printed) : reject(new Error(`ended with ${code ?? signal}:\n${printed}`))))
  })
}

function startInBackground(script: string, options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): Promise<{ child: ChildProcess; said: string }> {
  const child = spawn('/bin/bash', ['-c', script], { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  let said = ''
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (/Ctrl\+C stops it.*\n/.test(said)) resolve({ child, said })
      })
    }
    child.on('close', (code) => reject(new Error(`ended with ${String(code)}:\n${said}`)))
  })
}

/** `npx` that starts what the lock file has, without a network. */
function writeNpx(folder: string): string {
  const bin = join(folder, '.bin')
  mkdirSync(bin)
  const names = ['everything', 'filesystem', 'memory'].map((name) => `*server-${name}) shift 2; exec "${ROOT}node_modules/.bin/mcp-server-${name}" "$@";;`)
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\ncase "$2" in\n${names.join('\n')}\nesac\necho "npx: no such package here: $2" >&2\nexit 1\n`)
  chmodSync(join(bin, 'npx'), 0o755)
  return bin
}
