// The command line of the reference server.
import { parseArgs } from 'node:util'

const MAX_PORT = 65_535
const DEFAULT_MAX_SESSION_COUNT = 1000
const DEFAULT_IDLE_TIMEOUT_SEC = 600

/** What the command line asks for. */
export type Command =
  | { readonly kind: 'help' }
  | { readonly kind: 'stdio' }
  | { readonly kind: 'http'; readonly port: number; readonly maxSessionCount: number; readonly idleTimeoutMs: number }

/** A command, or what is wrong with the command line. */
export type CommandLine = { readonly ok: true; readonly command: Command } | UsageFault
type UsageFault = { readonly ok: false; readonly fault: { readonly message: string } }

/** Printed by `--help`. */
export const HELP = `Usage: reference-server [--http] [--port PORT] [--max-sessions N] [--session-idle-seconds N]

An MCP server that shows every feature of the protocol, for clients of every revision.
Without options it serves standard input and output.

  --http                    serve HTTP at http://127.0.0.1:PORT/mcp, and print that URL
  --port PORT               the port; 0, the default, takes a free one (implies --http)
  --max-sessions N          sessions open at once (default ${DEFAULT_MAX_SESSION_COUNT})
  --session-idle-seconds N  how long an unused session lives (default ${DEFAULT_IDLE_TIMEOUT_SEC})
  --help                    print this
`

/** Reads the arguments after the script's name. */
export function parseCommandLine(args: readonly string[]): CommandLine {
  const parsed = parse(args)
  if (!parsed.ok) return parsed
  const { values } = parsed
  if (values.help === true) return { ok: true, command: { kind: 'help' } }
  const port = integer(values.port, 0, 0, MAX_PORT)
  const maxSessionCount = integer(values['max-sessions'], DEFAULT_MAX_SESSION_COUNT, 1, 1_000_000)
  const idleTimeoutSec = integer(values['session-idle-seconds'], DEFAULT_IDLE_TIMEOUT_SEC, 1, 86_400)
  if (port === undefined) return fault(`--port must be an integer from 0 to ${MAX_PORT}`)
  if (maxSessionCount === undefined) return fault('--max-sessions must be an integer from 1 to 1000000')
  if (idleTimeoutSec === undefined) return fault('--session-idle-seconds must be an integer from 1 to 86400')
  if (values.http !== true && values.port === undefined) return { ok: true, command: { kind: 'stdio' } }
  return { ok: true, command: { kind: 'http', port, maxSessionCount, idleTimeoutMs: idleTimeoutSec * 1000 } }
}

const OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  http: { type: 'boolean' },
  port: { type: 'string' },
  'max-sessions': { type: 'string' },
  'session-idle-seconds': { type: 'string' },
} as const

function parse(args: readonly string[]) {
  try {
    return { ok: true, values: parseArgs({ args: [...args], options: OPTIONS }).values } as const
  } catch (error) {
    return fault(error instanceof Error ? error.message : String(error))
  }
}

function fault(message: string): UsageFault {
  return { ok: false, fault: { message } }
}

function integer(value: string | undefined, fallback: number, min: number, max: number): number | undefined {
  if (value === undefined) return fallback
  const number = Number(value)
  return /^\d+$/.test(value) && number >= min && number <= max ? number : undefined
}
