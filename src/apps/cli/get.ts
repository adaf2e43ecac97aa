/** `portolan get`: gets one prompt. */

import type { Command } from 'commander'
import { inputCommand } from './client-options.ts'
import type { InputFlags } from './client-options.ts'

export function getCommand(): Command {
  const command = inputCommand('get', 'get a prompt: <server>/<prompt> name=value …')
    .argument('<prompt>', '<server>/<prompt>; directly, a prompt')
    .argument('[arguments...]', 'name=value or name=@file')
    .option('--args <json>', 'the arguments as a JSON object, or - for standard input; name=value adds to it')
  return command.action(async (_prompt: string, _words: readonly string[], flags: InputFlags & { readonly args?: string }) => {
    const { runClient } = await import('./client-session.ts')
    const { getPrompt } = await import('./client-call.ts')
    await runClient(command, flags, (session) => getPrompt(session, flags))
  })
}
