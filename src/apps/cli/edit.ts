/** What the commands that change a configuration file have in common: options, the diff of a dry run, and what is said afterwards. */

import { existsSync, readFileSync } from 'node:fs'
import { Command } from 'commander'
import { diffText } from '../gateway/config-edit-diff.ts'
import { editFile } from '../gateway/config-edit-file.ts'
import type { Edited } from '../gateway/config-edit-server.ts'
import { digestOfConfig } from '../gateway/config-inspect.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import { inspectConfig } from '../gateway/config.ts'
import { visible } from '../gateway/visible-text.ts'
import { dataOption } from './option.ts'
import { followUptake, operationsSocket } from './running-config.ts'
import type { SocketOptions, Uptake } from './running-config.ts'

export interface EditOptions extends SocketOptions {
  readonly config?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

const DEFAULT_CONFIG = 'portolan.json'

/** Adds the options that every one of them has. */
export function withEditOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', `the file to change (default: ${DEFAULT_CONFIG})`)
    .option('--dry-run', 'show what would change, and write nothing')
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .option('--json', 'print what was done as JSON')
}

export function editedPath(options: EditOptions): string {
  return options.config ?? DEFAULT_CONFIG
}

/** What an edit came to, as `--json` prints it. */
export interface EditReport {
  readonly file: string
  readonly action: string
  readonly name: string
  readonly isNew: boolean
  /** False where the file said so already. */
  readonly isChanged: boolean
  readonly notes: readonly string[]
  readonly running: Uptake
}

export interface EditRequest {
  readonly action: string
  readonly name: string
  /** `Added files to`: what is said before the file's name, when it is done. */
  readonly done: () => string
  readonly options: EditOptions
  readonly edit: (text: string) => Edited
  /** A file that is not there is made; otherwise it is a problem. */
  readonly mayCreate?: boolean
}

/** Throws ConfigError where the edit is refused, ConfigWriteError where the file cannot be written. Undefined after a dry run. */
export async function runEdit(request: EditRequest): Promise<Omit<EditReport, 'running'> | undefined> {
  const { options, edit, action, name } = request
  const path = editedPath(options)
  if (/\.(?:toml|ya?ml)$/i.test(path)) throw new ConfigError(path, [{ path, problem: 'only JSON files are read', fix: 'Name a JSON file with --config, or edit this one by hand' }])
  if (request.mayCreate !== true && !existsSync(path)) {
    throw new ConfigError(path, [{ path, problem: 'there is no such file', fix: 'Give the path of a configuration file with --config' }])
  }
  const checked = (text: string): { readonly text: string; readonly notes: readonly string[] } => {
    const edited = edit(text)
    if (!edited.ok) throw new ConfigError(path, edited.fault)
    return edited.value
  }
  if (options.dryRun === true) {
    printDryRun(path, options, checked)
    return undefined
  }
  const { value, isNew, isWritten } = await editFile(path, checked)
  if (options.json !== true) {
    process.stdout.write(isWritten ? `${request.done()} ${path}.\n` : `${path} says so already: nothing was changed.\n`)
    for (const note of value.notes) process.stderr.write(`Note: ${note}.\n`)
  }
  return { file: path, action, name, isNew, isChanged: isWritten, notes: value.notes }
}

function printDryRun(path: string, options: EditOptions, edit: (text: string) => { readonly text: string }): void {
  const before = existsSync(path) ? readFileSync(path, 'utf8') : ''
  const diff = diffText(path, before, edit(before).text)
  if (options.json === true) process.stdout.write(`${JSON.stringify({ file: path, isChanged: diff !== '', diff })}\n`)
  else process.stdout.write(diff === '' ? `${path} says so already: nothing would change.\n` : diff.split('\n').map(visible).join('\n'))
}

/** Whether the Portolan that serves the file has taken the edit up. */
export async function sayUptake({ options }: EditRequest, isChanged: boolean): Promise<Uptake> {
  const path = editedPath(options)
  const { config } = inspectConfig(readFileSync(path, 'utf8'))
  const running: Uptake =
    config === undefined || !isChanged
      ? { state: 'none', message: '' }
      : await followUptake(path, digestOfConfig(path, config), operationsSocket(options, { path, config }))
  if (options.json !== true && running.message !== '') {
    const out = running.state === 'taken' || running.state === 'none' ? process.stdout : process.stderr
    out.write(`${running.message.split('\n').map(visible).join('\n')}\n`)
  }
  return running
}

/** The whole of a command that only changes the file. */
export async function editAndSay(request: EditRequest): Promise<void> {
  const done = await runEdit(request)
  if (done === undefined) return
  const running = await sayUptake(request, done.isChanged)
  if (request.options.json === true) process.stdout.write(`${JSON.stringify({ ...done, running })}\n`)
}
