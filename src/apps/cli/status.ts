/** `portolan status`: asks the running gateway over its operations socket. */

import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { defaultDataPath } from '../gateway/data-folder.ts'
import type { ProcessStatus, ServerStatus } from '../gateway/status.ts'
import { visible } from '../gateway/visible-text.ts'
import { dataOption } from './option.ts'

interface StatusOptions {
  readonly data?: string
  readonly socket?: string
  readonly json?: boolean
}

const ANSWER_MS = 5_000

export function statusCommand(): Command {
  return new Command('status')
    .description('show how the running gateway and its servers are doing')
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .option('--json', 'print everything as JSON')
    .action(async (options: StatusOptions) => {
      const folder = resolve(options.data ?? defaultDataPath(process.env))
      const text = await fetchStatus(options.socket ?? join(folder, 'operations.sock'))
      if (options.json === true) process.stdout.write(text)
      else process.stdout.write(statusText(JSON.parse(text), Date.now()))
    })
}

function fetchStatus(socketPath: string): Promise<string> {
  return new Promise((accept, reject) => {
    const asked = request({ socketPath, path: '/status', timeout: ANSWER_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => accept(Buffer.concat(chunks).toString('utf8')))
      response.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`The gateway at ${socketPath} does not answer.`)))
    asked.on('error', (error) => {
      const isAbsent = 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
      reject(isAbsent ? new Error(`No gateway runs at ${socketPath}. Start one with: portolan up (and give status the same --data)`) : error)
    })
    asked.end()
  })
}

/** For people: the process, a table of the servers, and what to do about those that are down. */
export function statusText(status: ProcessStatus, nowMs: number): string {
  const { version, pid, state, listening, config, servers } = status
  const head = `Portolan ${version}, process ${pid}: ${state} for ${durationText(nowMs - status.startedAtMs)}, on ${listening.join(' and ')}`
  const source = `Configuration: ${config.source} (${config.digest.slice(0, 12)})`
  const refusal = config.refusal === '' ? [] : [`The last reload was refused: ${config.refusal}`]
  const lost = status.ledgerLostCount === 0 ? [] : [`The ledger lost ${status.ledgerLostCount} records: see the log`]
  const rows = [HEADINGS, ...servers.map(rowOf)]
  return [head, source, ...refusal, ...lost, '', ...aligned(rows), ...servers.flatMap(adviceOf), ''].join('\n')
}

const HEADINGS = ['SERVER', 'KIND', 'STATE', 'ERAS', 'CHILDREN', 'SESSIONS', 'RESTARTS']

/** What a server that is down said last, and what helps: reasons are too long for a column. */
function adviceOf({ name, state, detail }: ServerStatus): string[] {
  if (state !== 'degraded') return []
  const advice = ADVICE.find(([pattern]) => pattern.test(detail))?.[1]
  return ['', `${name} is degraded: ${visible(detail)}`, `  ${advice ?? 'It is asked again by itself. More is in the log: portolan up --log-level debug'}`]
}

const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/command not found/, 'Install the program, write its whole path as "command", or start Portolan with a PATH that has it.'],
  [/not executable/, 'Make the file executable, or name the program that runs it as "command".'],
  [/no such directory/, 'Mend "cwd" of this server in the configuration.'],
  [/connection (?:refused|timed out)|no such host|no route to/, 'Start the server, or mend its "url" in the configuration. It is asked again by itself.'],
  [/\b40[13]\b/, 'The server wants other credentials: see "headers" of this server in the configuration.'],
  [/exited with|was ended by/, 'Run its command by hand to see why it ends; portolan up --log-level debug shows all it says.'],
  [/^no answer for/, 'It is still waited for: npx and uvx may be fetching it. Run its command by hand to see.'],
]

function rowOf({ name, transport, state, eras, children, sessions, restarts }: ServerStatus): string[] {
  return [name, transport, state, eras.join('+') || '-', String(children), String(sessions), String(restarts)]
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

function durationText(ms: number): string {
  const sec = Math.floor(ms / 1_000)
  if (sec < 60) return `${sec} s`
  if (sec < 3_600) return `${Math.floor(sec / 60)} min`
  return `${Math.floor(sec / 3_600)} h ${Math.floor((sec % 3_600) / 60)} min`
}
