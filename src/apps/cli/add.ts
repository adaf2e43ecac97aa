/** `portolan add`: writes a server into the configuration file, tries it, and says what it is or what to do. */

import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command, Option } from 'commander'
import { shellWord } from '../client/describe.ts'
import { addServer, findServer } from '../gateway/config-edit-server.ts'
import type { AddServer, NewOptions } from '../gateway/config-edit-server.ts'
import type { NewServer } from '../gateway/config-edit-spelling.ts'
import { ConfigError } from '../gateway/config-problem.ts'
import type { ConfigProblem } from '../gateway/config-problem.ts'
import { looksSecret } from '../gateway/config-secret.ts'
import { inspectConfig } from '../gateway/config.ts'
import type { ServerTrial } from '../gateway/server-trial.ts'
import { editedPath, runEdit, sayUptake, withEditOptions } from './edit.ts'
import type { EditOptions, EditRequest } from './edit.ts'
import { trialText } from './add-trial.ts'
import type { Uptake } from './running-config.ts'
import { tryShown } from './shown-trial.ts'

interface AddOptions extends EditOptions, NewOptions {
  readonly env?: readonly string[]
  readonly header?: readonly string[]
  readonly cwd?: string
  readonly disabled?: boolean
  readonly force?: boolean
  readonly plainSecrets?: boolean
  /** Undefined: tried, whatever comes of it. */
  readonly check?: boolean
}

const EXIT_FAILURE = 1

const EXAMPLES = `
Examples:
  portolan add memory -- npx -y @modelcontextprotocol/server-memory
  portolan add github --env GITHUB_TOKEN -- npx -y some-server      the variable, by reference
  portolan add issues https://mcp.example.com/mcp --header 'Authorization: Bearer \${ISSUES_TOKEN}'
`

export function addCommand(): Command {
  const collect = (item: string, items: readonly string[] = []): readonly string[] => [...items, item]
  const command = new Command('add')
    .description('write a server into the configuration file, which is made where there is none, and try it')
    .argument('<name>', 'what the server is called: in /<name>/mcp and <name>__tool')
    .argument('[target...]', 'the URL of a server, or -- and the command that starts one')
    .addOption(new Option('--env <KEY[=VALUE]>', 'a variable for the command; KEY alone refers to the variable of that name').argParser(collect))
    .addOption(new Option('--header <Name: value>', 'a header for every request to the URL').argParser(collect))
    .option('--cwd <folder>', 'where the command is started')
    .addOption(new Option('--era <era>', 'which protocol eras to try').choices(['auto', 'legacy', 'modern']))
    .addOption(new Option('--share <share>', 'who may share one child process or session').choices(['all', 'principal', 'session']))
    .option('--disabled', 'write it, but do not serve it yet')
    .option('--force', 'replace a server of this name')
    .option('--plain-secrets', 'write values that look like secrets as they are')
    .option('--check', 'try the server first, and write nothing unless it answers')
    .option('--no-check', 'do not try the server')
    .addHelpText('after', EXAMPLES)
    .action(async function (this: Command, name: string, target: readonly string[], options: AddOptions) {
      if (target.length === 0) this.error(`error: give the URL of ${name}, or its command after --: portolan add ${name} -- npx -y some-server`)
      await add(name, target, options)
    })
  return withEditOptions(command)
}

/** VS Code looks for `servers` in its files, all others for `mcpServers`. */
const VS_CODE_FILE = /(?:^|[\\/])\.vscode[\\/]mcp\.json$/

async function add(name: string, words: readonly string[], options: AddOptions): Promise<void> {
  const { server, problems } = readTarget(words, options)
  if (problems.length > 0) throw new ConfigError('the command line', problems)
  const { era, share, force = false } = options
  const wanted: AddServer = { name, server, options: { ...(era === undefined ? {} : { era }), ...(share === undefined ? {} : { share }) }, force }
  let isThere = false
  const edit: EditRequest['edit'] = (text) => {
    const { config } = inspectConfig(text)
    isThere = config !== undefined && findServer(config, name) !== undefined
    return addServer(text.trim() === '' && VS_CODE_FILE.test(editedPath(options)) ? '{\n  "servers": {}\n}\n' : text, wanted)
  }
  const request: EditRequest = { action: 'add', name, done: () => (isThere ? `Replaced ${name} in` : `Added ${name} to`), options, mayCreate: true, edit }
  const isTried = options.check !== false && options.disabled !== true && options.dryRun !== true
  const first = options.check === true && isTried ? await checkFirst(request) : undefined
  if (first?.ok === false) return sayUnwritten(request, first)
  const done = await runEdit(request)
  if (done === undefined) return
  const trial = isTried && first === undefined ? await tryNow(request, readFileSync(editedPath(options), 'utf8')) : first
  if (trial !== undefined) say(options, trial.ok ? 'out' : 'err', wordsOf(name, trial))
  if (trial?.ok === false) say(options, 'err', `${name} stays in ${editedPath(options)}: mend it there, or take it out with portolan remove ${shellWord(name)}.`)
  const running: Uptake = trial === STOPPED ? { state: 'none', message: '' } : await sayUptake(request, done.isChanged)
  if (options.json === true) process.stdout.write(`${JSON.stringify({ ...done, ...(trial === undefined ? {} : { server: trial }), running })}\n`)
}

/** By Ctrl+C or SIGTERM, as the exit code says. */
const STOPPED: ServerTrial = { ok: false, detail: 'the trial was stopped' }

async function tryNow({ options, name }: EditRequest, text: string): Promise<ServerTrial> {
  say(options, 'err', `Trying ${name} …`)
  return (await tryShown({ path: editedPath(options), text, name })) ?? STOPPED
}

async function checkFirst(request: EditRequest): Promise<ServerTrial> {
  const path = editedPath(request.options)
  const edited = request.edit(textOf(path))
  if (!edited.ok) throw new ConfigError(path, edited.fault)
  return await tryNow(request, edited.value.text)
}

function sayUnwritten({ options, name }: EditRequest, trial: ServerTrial): void {
  say(options, 'err', wordsOf(name, trial))
  say(options, 'err', `Nothing was written.${trial === STOPPED ? '' : ' Without --check it is added all the same.'}`)
  if (options.json === true) process.stdout.write(`${JSON.stringify({ file: editedPath(options), action: 'add', name, isNew: false, isChanged: false, server: trial })}\n`)
  process.exitCode ??= EXIT_FAILURE
}

function wordsOf(name: string, trial: ServerTrial): string {
  return trial === STOPPED ? `The trial of ${name} was stopped.` : trialText(name, trial)
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function say(options: EditOptions, stream: 'out' | 'err', line: string): void {
  if (options.json !== true) process[stream === 'out' ? 'stdout' : 'stderr'].write(`${line}\n`)
}

interface Target {
  readonly server: NewServer
  readonly problems: readonly ConfigProblem[]
}

function readTarget(words: readonly string[], options: AddOptions): Target {
  const [first = '', ...args] = words
  const { env: variables = [], header: headerTexts = [] } = options
  const problems: ConfigProblem[] = []
  const disabled = options.disabled === true
  if (args.length === 0 && /^(?:https?:\/\/|\$\{)/i.test(first)) {
    const headers = Object.fromEntries(headerTexts.map((text) => headerOf(text, problems)))
    if (variables.length > 0 || options.cwd !== undefined) problems.push({ path: first, problem: 'a URL takes no --env and no --cwd', fix: 'Leave them out, or give a command after --' })
    const secrets = [...Object.entries(headers).map(([name, value]) => ({ path: `--header ${name}`, name, value })), { path: 'the URL', name: '', value: first }]
    return { server: { target: { url: first, headers }, disabled }, problems: [...problems, ...plainSecrets(secrets, options)] }
  }
  const env = Object.fromEntries(variables.map((text) => variableOf(text, problems)))
  if (headerTexts.length > 0) problems.push({ path: first, problem: 'a command takes no --header', fix: 'Leave it out, or give a URL' })
  const cwd = options.cwd === undefined || options.cwd.startsWith('${') ? options.cwd : resolve(options.cwd)
  const secrets = [
    ...Object.entries(env).map(([name, value]) => ({ path: `--env ${name}`, name, value: value ?? '' })),
    ...args.map((_, index) => ({ path: `argument ${index + 1} of ${first}`, ...namedArgument(args, index) })),
  ]
  return { server: { target: { command: first, args, env, cwd }, disabled }, problems: [...problems, ...plainSecrets(secrets, options)] }
}

function headerOf(text: string, problems: ConfigProblem[]): [string, string] {
  const [, name = '', value = ''] = /^([^:\s]+)\s*:\s*([^]*)$/.exec(text) ?? []
  if (name === '') problems.push({ path: '--header', problem: 'not in the form Name: value', fix: "Write --header 'Authorization: Bearer ${TOKEN}'" })
  return [name, value]
}

function variableOf(text: string, problems: ConfigProblem[]): [string, string | undefined] {
  const [, name = '', value] = /^([A-Za-z_]\w*)(?:=([^]*))?$/.exec(text) ?? []
  if (name === '') problems.push({ path: '--env', problem: 'not in the form KEY=VALUE or KEY', fix: 'A name has letters, digits and _' })
  return [name, value]
}

/** `--api-key VALUE`, `--api-key=VALUE`, `VALUE`. */
function namedArgument(args: readonly string[], index: number): { readonly name: string; readonly value: string } {
  const arg = args[index] ?? ''
  const [, name, value] = /^-{0,2}([\w.-]+)=([^]*)$/.exec(arg) ?? /^([\w-]+):(?!\/\/) *([^]+)$/.exec(arg) ?? []
  if (name !== undefined && value !== undefined) return { name, value }
  const before = args[index - 1] ?? ''
  const isValue = /^--?\w/.test(before) && !before.includes('=') && !arg.startsWith('-')
  return { name: isValue ? before.replace(/^-+/, '') : '', value: arg }
}

interface Candidate {
  readonly path: string
  readonly name: string
  readonly value: string
}

/** Files are copied, shared and committed; what is referred to is not. The message never has the value. */
function plainSecrets(candidates: readonly Candidate[], options: AddOptions): readonly ConfigProblem[] {
  if (options.plainSecrets === true) return []
  return candidates.flatMap(({ path, name, value }) => (looksSecret(name, value) ? [{ path, problem: 'looks like a secret, which does not belong into the file in plain', fix: adviceFor(path, name) }] : []))
}

function adviceFor(path: string, name: string): string {
  const last = 'If it is none: --plain-secrets'
  if (path.startsWith('--env')) return `Set ${name} in the environment of Portolan and give --env ${name}, or refer to it: --env ${name}=env:OTHER_NAME, --env ${name}=file:/path. ${last}`
  const variable = (name === '' || /^authorization$/i.test(name) ? 'TOKEN' : name).toUpperCase().replace(/\W+/g, '_')
  return `Set a variable in the environment of Portolan and refer to it: '\${${variable}}', or to a file: '\${file:/path}'. ${last}`
}
