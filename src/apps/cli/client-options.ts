/** The flags that every command of the client has, and what they mean together: which server, spoken to how. */

import { Command, InvalidArgumentError, Option } from 'commander'
import { dataOption } from './option.ts'

export interface ClientFlags {
  readonly url?: string
  readonly header?: readonly string[]
  readonly token?: string
  readonly era: 'auto' | 'legacy' | 'modern'
  readonly revision?: string
  readonly data?: string
  readonly socket?: string
  readonly json?: boolean
}

/** Of commands whose server may ask something back. */
export interface InputFlags extends ClientFlags {
  readonly root?: readonly string[]
  /** False with --no-input; a JSON object with --input. */
  readonly input?: string | boolean
  readonly answer?: readonly string[]
  readonly output?: string
  readonly logLevel?: string
}

/** The levels of MCP, least grave first. */
const LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency']

/** The command after `--` counts as words for commander; what is too many is refused by the session. */
class ClientCommand extends Command {
  override copyInheritedSettings(source: Command): this {
    return super.copyInheritedSettings(source).allowExcessArguments()
  }
}

/** A command that speaks to a server: words before `--` are its own, a command after it starts the server. */
export function clientCommand(name: string, description: string): Command {
  return new ClientCommand(name)
    .description(description)
    .option('--url <url>', 'speak to this MCP server instead of the running Portolan')
    .option('--header <header>', 'send "Name: value" with every request; may be repeated', collect)
    .option('--token <token>', 'the bearer token to send: env:NAME, file:/path or the token (default: of the running Portolan, to itself)')
    .addOption(new Option('--era <era>', 'what to speak: legacy (initialize), modern (2026-07-28), or what the server prefers').choices(['auto', 'legacy', 'modern']).default('auto'))
    .option('--revision <revision>', 'the one protocol revision to speak')
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .option('--json', 'print what the server sent, as it sent it')
    .addHelpText('after', `\nIt asks the running Portolan; any other server with --url, or with its command:\n  portolan ${name} … -- npx -y some-server\n`)
}

/** The same for commands whose server may ask for input, log, or send media. */
export function inputCommand(name: string, description: string): Command {
  return clientCommand(name, description)
    .option('--root <folder>', 'a folder that the server may ask for as a root; may be repeated', collect)
    .option('--no-input', 'decline whatever the server asks')
    .option('--input <json>', 'answers for what the server asks, as a JSON object')
    .option('--answer <answer>', 'one such answer, as name=value; may be repeated', collect)
    .option('--output <folder>', 'where images, audio and other files are saved (default: here)')
    .addOption(new Option('--log-level <level>', 'the log messages that the server is asked for').choices(LEVELS))
}

export function logLevelOption(): Option {
  return new Option('--log-level <level>', 'the log messages that the server is asked for').choices(LEVELS).default('info')
}

function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value]
}

/** `Name: value` as an entry. Throws InvalidArgumentError. */
export function parseHeader(text: string): [name: string, value: string] {
  const match = /^(?<name>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*:\s*(?<value>[\t\x20-\x7e\x80-\xff]*)$/.exec(text)?.groups
  if (match === undefined) throw new InvalidArgumentError(`"${text}" is no header: write --header 'Name: value'.`)
  return [match['name'] ?? '', (match['value'] ?? '').trim()]
}

const TTL_UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000 }

/** `10m` in milliseconds. Throws InvalidArgumentError. */
export function parseTtl(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([smh])$/.exec(text) ?? []
  const ttlMs = Number(count) * (TTL_UNIT_MS[unit] ?? Number.NaN)
  if (!(ttlMs > 0)) throw new InvalidArgumentError('Write it as 90s, 10m or 2h.')
  return ttlMs
}

/** The words before and after `--`. Commander merges them; the raw command line still tells them apart. */
export function splitWords(command: Command): { readonly words: readonly string[]; readonly server: readonly string[] } {
  let root = command
  while (root.parent !== null) root = root.parent
  const raw = 'rawArgs' in root && Array.isArray(root.rawArgs) ? root.rawArgs : process.argv
  const at = raw.indexOf('--')
  const server = at === -1 ? [] : raw.slice(at + 1).map(String)
  return { words: command.args.slice(0, command.args.length - server.length), server }
}
