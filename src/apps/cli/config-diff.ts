/** `portolan config diff`: what a file has otherwise than the running Portolan serves, or than another file, and what taking it up touches. */

import { Command } from 'commander'
import { configModel, diffConfigs } from '../gateway/config-diff.ts'
import type { ConfigDiff, ConfigModel, ServerChange, SettingChange } from '../gateway/config-diff.ts'
import { contentInFiles, digestOfConfig, readConfigFile, realPathOf } from '../gateway/config-inspect.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { visible } from '../gateway/visible-text.ts'
import { configOption, configPathOf, dataOption } from './option.ts'
import { askConfig, askStatus, operationsSocket } from './running-config.ts'
import type { SocketOptions } from './running-config.ts'

interface DiffOptions extends SocketOptions {
  readonly config?: string
  readonly json?: boolean
}

const EXIT_DIFFERENT = 1
const EXIT_TROUBLE = 2

export function configDiffCommand(): Command {
  return new Command('diff')
    .description('what a file changes: of what the running Portolan serves, or of another file')
    .argument('[a]', 'a file; compared with what is served where it is the only one')
    .argument('[b]', 'the newer file')
    .addOption(configOption())
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .option('--json', 'print the differences as JSON')
    .addHelpText('after', '\nExit codes: 0 no difference, 1 different, 2 it could not be told.\n')
    .action(async (a: string | undefined, b: string | undefined, options: DiffOptions) => {
      try {
        await diff(a, b, options)
      } catch (error) {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
        process.exitCode = EXIT_TROUBLE
      }
    })
}

async function diff(a: string | undefined, b: string | undefined, options: DiffOptions): Promise<void> {
  const { before, after, status } = a !== undefined && b !== undefined ? twoFiles(a, b) : await servedAndFile(a, options)
  const found = diffConfigs(before, after)
  if (!found.isSame) process.exitCode = EXIT_DIFFERENT
  if (options.json === true) process.stdout.write(`${JSON.stringify({ from: nameOf(before, status), to: nameOf(after), ...found, ...(status === undefined ? {} : { touched: touchedBy(found, status) }) })}\n`)
  else process.stdout.write(diffText(found, nameOf(before, status), nameOf(after), status))
}

interface Sides {
  readonly before: ConfigModel
  readonly after: ConfigModel
  /** Of the process that serves `before`. */
  readonly status: ProcessStatus | undefined
}

function nameOf({ source }: ConfigModel, status?: ProcessStatus): string {
  return status === undefined ? source : `what process ${status.pid} serves (${source})`
}

function twoFiles(a: string, b: string): Sides {
  return { before: modelOf(a, ''), after: modelOf(b, ''), status: undefined }
}

async function servedAndFile(a: string | undefined, options: DiffOptions): Promise<Sides> {
  const given = a ?? options.config
  const here = given ?? configPathOf(undefined)
  // The file may have moved the socket; a broken one is told below, a missing one may not matter.
  const socket = operationsSocket(options, here === undefined ? undefined : { path: here, config: readConfigFile(here).config })
  const [before, status] = [await askConfig(socket), await askStatus(socket)]
  if (before === undefined || status === undefined) {
    throw new Error(`No Portolan runs at ${socket}. Start one with: portolan up (and give this command the same --data), or name two files: portolan config diff A B`)
  }
  const path = given ?? (before.path === '' ? here : before.path)
  if (path === undefined) throw new Error('The running Portolan serves the built-in configuration, and there is no portolan.json here. Name a file: portolan config diff FILE')
  return { before, after: modelOf(path, before.salt), status }
}

function modelOf(path: string, salt: string): ConfigModel {
  const { config } = readConfigFile(path)
  return configModel({ source: path, path: realPathOf(path), digest: digestOfConfig(path, config), config, contentOf: contentInFiles(path, config) }, salt)
}

/** Whom a reload would concern. */
interface Touched {
  readonly servers: readonly { readonly name: string; readonly effect: ServerChange['effect']; readonly children: number; readonly sessions: number }[]
  /** Sessions of clients: told that lists have changed. */
  readonly clientSessions: number
}

function touchedBy(found: ConfigDiff, status: ProcessStatus): Touched {
  const byId = new Map(status.servers.map((server) => [server.id, server]))
  const servers = found.servers.filter(({ effect }) => effect !== 'none').map(({ id, name, effect }) => {
    const { children = 0, sessions = 0 } = byId.get(id) ?? {}
    return { name, effect, children, sessions }
  })
  return { servers, clientSessions: servers.length > 0 || found.isReordered ? status.sessions : 0 }
}

/** For people; ends with a newline. */
export function diffText(found: ConfigDiff, from: string, to: string, status: ProcessStatus | undefined): string {
  if (found.isSame) return `No difference: ${visible(to)} is ${visible(from)}.\n`
  const lines = [`--- ${from}`, `+++ ${to}`, ...found.servers.flatMap(serverLines)]
  if (found.isReordered) lines.push('', 'The servers are in another order, and so are their tools.')
  if (found.settings.length > 0) lines.push('', ...found.settings.map((change) => `~ portolan.${changeText(change)}${change.atNextStart ? '   (at the next start)' : ''}`))
  lines.push('', ...(status === undefined ? [] : touchedLines(touchedBy(found, status), found)))
  return `${lines.map(visible).join('\n').trimEnd()}\n`
}

const SIGNS: Readonly<Record<ServerChange['kind'], string>> = { added: '+', removed: '-', changed: '~' }

function serverLines({ kind, name, settings, effect }: ServerChange): string[] {
  const head = kind === 'changed' ? `~ ${name}` : `${SIGNS[kind]} ${name} is ${kind}`
  const details = settings.map((change) => (kind === 'changed' ? `    ${changeText(change)}` : `    ${change.setting}: ${change.to ?? change.from ?? ''}`))
  return ['', `${head}${effect === 'restarts' ? '   (is started anew)' : ''}`, ...details]
}

function changeText({ setting, from, to, isContent }: SettingChange): string {
  if (isContent) return `${setting}: ${to ?? ''} holds something else`
  if (from === undefined) return `${setting}: ${to ?? ''}   (was not set)`
  if (to === undefined) return `${setting}: not set   (was ${from})`
  return from === to ? `${setting}: changed (hidden)` : `${setting}: ${from} -> ${to}`
}

function touchedLines({ servers, clientSessions }: Touched, { settings }: ConfigDiff): string[] {
  const verbs: Readonly<Record<ServerChange['effect'], string>> = { starts: 'is started', stops: 'is stopped', restarts: 'is started anew', none: '' }
  const lines = servers.map(({ name, effect, children, sessions }) => {
    const held = effect === 'starts' ? '' : ` (now ${count(children, 'child process', 'child processes')}, ${count(sessions, 'session')})`
    return `  ${name} ${verbs[effect]}${held}; its calls in flight finish`
  })
  if (clientSessions > 0) lines.push(`  ${count(clientSessions, 'client session')} ${clientSessions === 1 ? 'is' : 'are'} told that lists have changed`)
  const late = settings.filter(({ atNextStart }) => atNextStart)
  if (late.length > 0) lines.push(`  ${late.map(({ setting }) => `portolan.${setting}`).join(', ')} wait${late.length === 1 ? 's' : ''} for the next start`)
  return lines.length === 0 ? ['A reload starts and stops nothing.'] : ['A reload:', ...lines]
}

function count(number: number, one: string, many = `${one}s`): string {
  return `${number} ${number === 1 ? one : many}`
}
