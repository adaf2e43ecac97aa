/**
 * Every command by its name, loaded when it is wanted: whoever lists tools or presses Tab must not wait for the modules of
 * the gateway.
 */

import { Command, Option } from 'commander'

interface Row {
  /** Its usage, as its module has it. */
  readonly takes: string
  /** Its description, as its module has it. */
  readonly does: string
  readonly load: () => Promise<Command>
}

/** In the order of the help, which needs no module: all of them together take 0.4 s of processor time. */
const COMMANDS: Readonly<Record<string, Row>> = {
  up: {
    takes: '[options]', does: 'run the gateway: all servers of the configuration behind one address',
    load: async () => (await import('./up.ts')).upCommand(),
  },
  stdio: {
    takes: '[options]', does: 'run the gateway on standard input and output, for clients that launch commands',
    load: async () => (await import('./stdio.ts')).stdioCommand(),
  },
  status: {
    takes: '[options] [server]', does: 'show how the running gateway and its servers are doing',
    load: async () => (await import('./status.ts')).statusCommand(),
  },
  doctor: {
    takes: '[options]', does: 'find what is misconfigured, and say what to do; starts each server for a moment',
    load: async () => (await import('./doctor.ts')).doctorCommand(),
  },
  task: {
    takes: '', does: 'the tasks that Portolan owns: calls that outlive their connection',
    load: async () => (await import('./task.ts')).taskCommand(),
  },
  operator: {
    takes: '', does: 'who may operate this Portolan over HTTP, with a token of his own',
    load: async () => (await import('./operator.ts')).operatorCommand(),
  },
  reload: {
    takes: '[options]', does: 'have the running gateway read its configuration again; a bad one changes nothing',
    load: async () => (await import('./reload.ts')).reloadCommand(),
  },
  config: {
    takes: '', does: 'check, print or compare configuration files',
    load: async () => (await import('./config.ts')).configCommand(),
  },
  key: {
    takes: '', does: 'the keys that seal session ids, cursors and task ids; all replicas share them',
    load: async () => (await import('./key.ts')).keyCommand(),
  },
  state: {
    takes: '', does: 'the database that keeps sessions and keys',
    load: async () => (await import('./state.ts')).stateCommand(),
  },
  add: {
    takes: '[options] <name> [target...]', does: 'write a server into the configuration file, which is made where there is none, and try it',
    load: async () => (await import('./add.ts')).addCommand(),
  },
  remove: {
    takes: '[options] <name>', does: 'take a server out of the configuration file, with its options',
    load: async () => (await import('./remove.ts')).removeCommand(),
  },
  enable: {
    takes: '[options] <name>', does: 'serve a server again that was disabled',
    load: async () => (await import('./enable.ts')).enableCommand(),
  },
  disable: {
    takes: '[options] <name>', does: 'keep a server in the configuration file, but serve it no longer',
    load: async () => (await import('./enable.ts')).disableCommand(),
  },
  rename: {
    takes: '[options] <name> <new-name>', does: 'give a server another name; its id, and with it its sessions and records, stay',
    load: async () => (await import('./rename.ts')).renameCommand(),
  },
  servers: {
    takes: '[options]', does: 'list the servers of the running Portolan, or say what one server is',
    load: async () => (await import('./servers.ts')).serversCommand(),
  },
  tools: {
    takes: '[options] [server]', does: 'list tools; <server>/<tool> shows one tool, its arguments and an example',
    load: async () => (await import('./tools.ts')).toolsCommand(),
  },
  call: {
    takes: '[options] <tool> [arguments...]', does: 'call a tool: <server>/<tool> name=value …',
    load: async () => (await import('./call.ts')).callCommand(),
  },
  follow: {
    takes: '[options] <task>', does: 'follow a task that call --detach left behind: <server>/<task>',
    load: async () => (await import('./follow.ts')).followCommand(),
  },
  resources: {
    takes: '[options] [server]', does: 'list resources and resource templates',
    load: async () => (await import('./resources.ts')).resourcesCommand(),
  },
  read: {
    takes: '[options] <server> [uri]', does: 'read a resource: <server> <uri>',
    load: async () => (await import('./read.ts')).readCommand(),
  },
  prompts: {
    takes: '[options] [server]', does: 'list prompts; <server>/<prompt> shows one prompt, its arguments and an example',
    load: async () => (await import('./prompts.ts')).promptsCommand(),
  },
  get: {
    takes: '[options] <prompt> [arguments...]', does: 'get a prompt: <server>/<prompt> name=value …',
    load: async () => (await import('./get.ts')).getCommand(),
  },
  complete: {
    takes: '[options] <prompt> [arguments...]', does: 'ask a server to complete an argument: <server>/<prompt> name=beginning',
    load: async () => (await import('./complete.ts')).completeCommand(),
  },
  watch: {
    takes: '[options] [server]', does: 'show what changes at the servers, until Ctrl+C',
    load: async () => (await import('./watch.ts')).watchCommand(),
  },
  completion: {
    takes: '<shell> [words...]', does: 'print the script that completes commands, servers, tools and arguments in a shell',
    load: async () => (await import('./completion.ts')).completionCommand(),
  },
}

/** Every command, in the order of the help: those that these words of a command line can mean in full, of the others an outline. */
export async function loadCommands(words: readonly string[]): Promise<readonly Command[]> {
  const loaded = namesFor(words)
  return Promise.all(Object.entries(COMMANDS).map(([name, row]) => (loaded.includes(name) ? row.load() : outlineOf(name, row))))
}

/** What the help says of a command, and nothing that runs. */
function outlineOf(name: string, { takes, does }: Row): Command {
  const outline = new Command(name).description(does)
  const [options = '', args = ''] = /^(\[options\])? ?(.*)$/.exec(takes)?.slice(1) ?? []
  if (options !== '') outline.addOption(new Option('--any').hideHelp())
  return args === '' ? outline : outline.arguments(args)
}

/** Which of them have to be loaded. */
export function namesFor(words: readonly string[]): readonly string[] {
  const [named = '', next = ''] = words.filter((word) => !word.startsWith('-'))
  const wanted = named === 'completion' ? [named, typedCommand(words)] : named === 'help' ? [next] : [named]
  return wanted.filter((name) => Object.hasOwn(COMMANDS, name))
}

/** The command of the line that a shell wants completed, where it is typed whole; '' where it is still being typed. */
function typedCommand(words: readonly string[]): string {
  const at = words.indexOf('--')
  const request = words.find((word, index) => index > 0 && !word.startsWith('-'))
  const rest = at === -1 ? [] : words.slice(at + 1)
  const typed = request === 'complete-line' ? (rest[1] ?? '').split(/\s+/).slice(1) : rest
  const [name = ''] = typed
  return typed.length > 1 ? name : ''
}
