/**
 * Every command by its name, loaded when it is wanted: whoever lists tools or presses Tab must not wait for the modules of
 * the gateway.
 */

import type { Command } from 'commander'

/** In the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.ts')).upCommand(),
  stdio: async () => (await import('./stdio.ts')).stdioCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  task: async () => (await import('./task.ts')).taskCommand(),
  reload: async () => (await import('./reload.ts')).reloadCommand(),
  config: async () => (await import('./config.ts')).configCommand(),
  key: async () => (await import('./key.ts')).keyCommand(),
  state: async () => (await import('./state.ts')).stateCommand(),
  add: async () => (await import('./add.ts')).addCommand(),
  remove: async () => (await import('./remove.ts')).removeCommand(),
  enable: async () => (await import('./enable.ts')).enableCommand(),
  disable: async () => (await import('./enable.ts')).disableCommand(),
  rename: async () => (await import('./rename.ts')).renameCommand(),
  servers: async () => (await import('./servers.ts')).serversCommand(),
  tools: async () => (await import('./tools.ts')).toolsCommand(),
  call: async () => (await import('./call.ts')).callCommand(),
  resources: async () => (await import('./resources.ts')).resourcesCommand(),
  read: async () => (await import('./read.ts')).readCommand(),
  prompts: async () => (await import('./prompts.ts')).promptsCommand(),
  get: async () => (await import('./get.ts')).getCommand(),
  complete: async () => (await import('./complete.ts')).completeCommand(),
  watch: async () => (await import('./watch.ts')).watchCommand(),
  completion: async () => (await import('./completion.ts')).completionCommand(),
}

/** The commands that these words of a command line can mean: one where they name it, all for help and for misspellings. */
export async function loadCommands(words: readonly string[]): Promise<readonly Command[]> {
  const loaders = namesFor(words).map((name) => COMMANDS[name])
  return Promise.all(loaders.flatMap((load) => (load === undefined ? [] : [load()])))
}

/** Which of them have to be loaded. */
export function namesFor(words: readonly string[]): readonly string[] {
  const all = Object.keys(COMMANDS)
  const named = words.find((word) => !word.startsWith('-'))
  if (named === undefined || !Object.hasOwn(COMMANDS, named)) return named === 'version' || /^(?:-V|--version)$/.test(words[0] ?? '') ? [] : all
  if (named !== 'completion') return [named]
  const typed = typedCommand(words)
  return typed === undefined ? all : ['completion', typed].filter((name, index, names) => names.indexOf(name) === index)
}

/** The command of the line that a shell wants completed, where it is typed whole; undefined where it is still being typed. */
function typedCommand(words: readonly string[]): string | undefined {
  const at = words.indexOf('--')
  const request = words.find((word, index) => index > 0 && !word.startsWith('-'))
  const rest = at === -1 ? [] : words.slice(at + 1)
  const typed = request === 'complete-line' ? (rest[1] ?? '').split(/\s+/).slice(1) : rest
  const [name] = typed
  if (at === -1) return 'completion'
  return typed.length > 1 && name !== undefined && Object.hasOwn(COMMANDS, name) ? name : undefined
}
