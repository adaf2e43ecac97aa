/**
 * One run of a client command: finds the server, connects, ends everything again, and says what went wrong. Exit codes: 0 clean,
 * 1 failure, 2 usage, 130 after Ctrl+C.
 */

import { basename } from 'node:path'
import type { Command } from 'commander'
import { isJsonObject } from '../../protocol/json-value.ts'
import { ClientError, RpcError } from '../client/client-error.ts'
import { connect } from '../client/connect.ts'
import { shellWord } from '../client/describe.ts'
import type { Target } from '../client/connect.ts'
import type { Connection } from '../client/connection.ts'
import type { InputHandler } from '../client/input.ts'
import { nearest } from '../client/nearest.ts'
import { findPortolan } from '../client/portolan.ts'
import type { PortolanServer, RunningPortolan } from '../client/portolan.ts'
import type { Heard } from '../client/tap.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import { textOf } from '../gateway/flag-text.ts'
import { readVersion } from '../gateway/version.ts'
import { parseHeader, splitWords } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'
import { adviceFor } from './status-advice.ts'
import { createInterrupt } from './terminal/interrupt.ts'
import { safeLine, safeName, safeText } from './terminal/safe-text.ts'
import { createTerminal } from './terminal/terminal.ts'
import type { Terminal } from './terminal/terminal.ts'

/** A server to speak to. */
export interface Source {
  /** In Portolan its name there; else what the address is called. */
  readonly label: string
  readonly target: Target
  readonly era: ClientFlags['era']
  /** What Portolan knows about it; undefined for others. */
  readonly known: PortolanServer | undefined
}

export interface OpenOptions {
  readonly input?: InputHandler
  readonly logLevel?: string | undefined
  readonly onHeard?: (heard: Heard) => void
}

export interface Session {
  readonly terminal: Terminal
  /** Aborted by Ctrl+C. */
  readonly signal: AbortSignal
  /** What was typed, without the command after `--`. */
  readonly words: readonly string[]
  /** The running Portolan; undefined where --url or a command names the server. */
  readonly portolan: RunningPortolan | undefined
  /** Every server there is to ask, in the order of the configuration. */
  readonly sources: readonly Source[]
  /** The one called so; the only one where there is no choice. Throws ClientError `unknown_server` or `usage`. */
  source(name: string | undefined): Source
  /** Connects; the connection is closed when the command ends. */
  open(source: Source, options?: OpenOptions): Promise<Connection>
  /** A line on standard error; `text` is made safe. */
  note(text: string, format?: 'dim' | 'yellow' | 'red'): void
  /** The command has failed, though it goes on. */
  fail(): void
}

const CLOSE_MS = 3_000

export interface RunOptions {
  /** Ctrl+C is how the command ends, not how it fails. */
  readonly isEndless?: boolean
}

/** Runs `body`; never rejects. */
export async function runClient(command: Command, flags: ClientFlags, body: (session: Session) => Promise<void>, { isEndless = false }: RunOptions = {}): Promise<void> {
  const terminal = createTerminal({ stdin: process.stdin, stdout: process.stdout, stderr: process.stderr, env: process.env })
  const interrupt = createInterrupt(terminal)
  const open = new Set<Connection>()
  let exitCode = 0
  try {
    const session = await createSession(command, flags, {
      terminal,
      signal: interrupt.signal,
      opened: (connection) => void open.add(connection),
      failed: () => void (exitCode = 1),
    })
    await body(session)
  } catch (error) {
    if (!interrupt.signal.aborted) exitCode = report(terminal, error, flags.json === true)
  }
  await closeAll(open)
  const wasStopped = interrupt.exitCode() !== undefined && !isEndless
  if (wasStopped) terminal.err.write('cancelled\n')
  process.exitCode = wasStopped ? interrupt.exitCode() : exitCode
  interrupt.close()
  terminal.close()
  // A child or socket that does not let go must not keep the shell waiting.
  setTimeout(() => process.exit(), CLOSE_MS).unref()
}

async function closeAll(open: ReadonlySet<Connection>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, CLOSE_MS)
  })
  await Promise.race([Promise.allSettled([...open].map((connection) => connection.close())), tooLong])
  clearTimeout(timer)
}

interface SessionParts {
  readonly terminal: Terminal
  readonly signal: AbortSignal
  readonly opened: (connection: Connection) => void
  readonly failed: () => void
}

async function createSession(command: Command, flags: ClientFlags, { terminal, signal, opened, failed }: SessionParts): Promise<Session> {
  const { words, server } = splitWords(command)
  const taken = command.registeredArguments
  if (words.length > taken.length && taken.at(-1)?.variadic !== true) {
    throw new ClientError('usage', `There is a word too many: ${words[taken.length]}.`, `portolan ${command.name()} --help says what it takes.`)
  }
  const direct = directSource(flags, server)
  const portolan = direct === undefined ? await findPortolan(flags) : undefined
  const sources = portolan === undefined ? [direct].filter((one) => one !== undefined) : portolan.servers.map((known) => portolanSource(known, portolan, flags))
  const note: Session['note'] = (text, format = 'dim') => terminal.err.write(`${terminal.err.paint(format, safeText(text))}\n`)
  return {
    terminal,
    signal,
    words,
    portolan,
    sources,
    note,
    fail: failed,
    source: (name) => pickSource(sources, name, direct !== undefined),
    async open(source, options = {}) {
      try {
        const connection = await connect({
          ...options,
          target: source.target,
          era: source.era,
          revision: flags.revision,
          clientInfo: { name: 'portolan-cli', version: readVersion() },
          signal,
          onStderrLine: (line) => note(`${source.label}: ${line}`),
        })
        opened(connection)
        return connection
      } catch (error) {
        throw degraded(source, error)
      }
    },
  }
}

/** The server that --url or the command after `--` names; undefined where neither does. */
function directSource(flags: ClientFlags, server: readonly string[]): Source | undefined {
  const { url, era } = flags
  const [command, ...args] = server
  if (command !== undefined) {
    if (url !== undefined) throw new ClientError('usage', 'Give either --url or a command after --, not both.')
    const env = Object.fromEntries(Object.entries(process.env).flatMap(([name, value]): [string, string][] => (value === undefined ? [] : [[name, value]])))
    return { label: commandLabel(server), target: { kind: 'stdio', command, args, env, cwd: undefined }, era, known: undefined }
  }
  if (url === undefined) return undefined
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol)) {
    throw new ClientError('usage', `"${url}" is no http or https address.`, 'Write it whole, for example --url http://127.0.0.1:3001/mcp')
  }
  return { label: new URL(url).host, target: { kind: 'http', url, headers: headersOf(flags, '') }, era, known: undefined }
}

const LAUNCHERS = new Set(['node', 'npx', 'npm', 'bun', 'bunx', 'deno', 'uv', 'uvx', 'python', 'python3', 'docker'])

/** The program for people: of `npx -y @a/server-x .` that is `server-x`. */
function commandLabel([command = '', ...args]: readonly string[]): string {
  const name = basename(command).replace(/\.exe$/i, '')
  const script = LAUNCHERS.has(name) ? args.find((arg) => !arg.startsWith('-') && /[/.]/.test(arg)) ?? args.find((arg) => !arg.startsWith('-')) : undefined
  return script === undefined ? name : basename(script)
}

function headersOf({ header = [], token }: ClientFlags, fallback: string): Record<string, string> {
  const bearer = token === undefined ? fallback : textOf('--token', token, process.env).trim()
  return { ...(bearer !== '' && { authorization: `Bearer ${bearer}` }), ...Object.fromEntries(header.map(parseHeader)) }
}

function portolanSource(known: PortolanServer, { baseUrl, token }: RunningPortolan, flags: ClientFlags): Source {
  const url = `${baseUrl}/${encodeURIComponent(known.name)}/mcp`
  // In its own era nothing of what a server says is translated.
  const isOld = known.eras.length === 1 && known.eras[0] === 'legacy'
  const era = flags.era === 'auto' && flags.revision === undefined && isOld ? 'legacy' : flags.era
  return { label: known.name, target: { kind: 'http', url, headers: headersOf(flags, token) }, era, known }
}

function pickSource(sources: readonly Source[], name: string | undefined, isDirect: boolean): Source {
  const [only] = sources
  if (only !== undefined && isDirect) return only
  const names = sources.map(({ label }) => label)
  if (name === undefined) throw new ClientError('usage', 'Say which server.', `There are: ${names.join(', ')}`)
  const found = sources.find(({ label }) => label === name)
  if (found !== undefined) return found
  const merged = names.find((one) => name.startsWith(`${one}__`))
  const near = merged === undefined ? nearest(name, names) : [`${merged}/${name.slice(merged.length + 2)}`]
  const help = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `There are: ${names.join(', ')}`
  throw new ClientError('unknown_server', `No server is called ${name}.`, `${help} (portolan servers lists them; what a server has is named <server>/<name>)`)
}

/** What Portolan knows of the server explains a failure better than the failure itself. */
function degraded({ known }: Source, error: unknown): unknown {
  if (known?.state !== 'degraded' || (error instanceof ClientError && error.code === 'unauthorized')) return error
  const advice = adviceFor({ state: 'degraded', detail: known.detail })
  return new ClientError('server_degraded', `${known.name} is degraded: ${known.detail}`, `${advice} (portolan status ${known.name} says more)`, error)
}

const USAGE_CODES = new Set(['usage', 'unknown_name', 'unknown_server', 'not_a_pair'])

/** Says what went wrong; returns the exit code. */
function report(terminal: Terminal, error: unknown, isJson: boolean): number {
  const { err, out } = terminal
  if (error instanceof RpcError && isJson) out.write(`{"error":${error.text}}\n`)
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof RpcError ? ` (${error.rpcCode})` : ''
  err.write(`${err.paint('red', safeText(message === '' ? 'The server answered with an error without words.' : message))}${code}\n`)
  if (error instanceof ClientError && error.advice !== '') err.write(`  ${safeText(error.advice)}\n`)
  const isUsage = error instanceof ConfigError || (error instanceof ClientError && USAGE_CODES.has(error.code)) || (error instanceof Error && error.name === 'InvalidArgumentError')
  return isUsage ? 2 : 1
}

/** `server/rest` as a person types it; directly, the whole is the rest. */
export function splitName(session: Session, typed: string | undefined): { readonly server: string | undefined; readonly rest: string | undefined } {
  if (typed === undefined || session.portolan === undefined) return { server: undefined, rest: typed }
  const slash = typed.indexOf('/')
  return slash === -1 ? { server: typed, rest: undefined } : { server: typed.slice(0, slash), rest: typed.slice(slash + 1) }
}

/** How the thing is named on the command line. */
export function fullName(session: Pick<Session, 'portolan'>, source: Pick<Source, 'label'>, name: string): string {
  return session.portolan === undefined ? name : `${source.label}/${name}`
}

/** What to put between the command and its words, so that an example reaches the same server. */
export function exampleTail(session: Pick<Session, 'portolan' | 'sources'>, flags: ClientFlags): string {
  if (session.portolan !== undefined) return ''
  const [source] = session.sources
  if (source?.target.kind === 'stdio') return ` -- ${[source.target.command, ...source.target.args].map(shellWord).join(' ')}`
  return flags.url === undefined ? '' : ` --url ${flags.url}`
}

/** Log messages of the server, dimmed on standard error. */
export function showLog(session: Session, label: string, { method, params }: Heard): void {
  if (method !== 'notifications/message') return
  const { level, logger, data } = params
  const isPlain = typeof data === 'string'
  const text = isPlain ? data : isJsonObject(data) && typeof data['message'] === 'string' && Object.keys(data).length === 1 ? data['message'] : JSON.stringify(data)
  const from = typeof logger === 'string' && logger !== '' ? `${label} ${logger}` : label
  session.note(`${safeName(from)} ${safeName(String(level ?? ''))}: ${safeLine(text ?? '')}`)
}
