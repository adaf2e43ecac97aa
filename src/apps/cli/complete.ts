/** `portolan complete`: asks a server for completions of an argument (completion/complete). */

import type { Command } from 'commander'
import { clientCommand } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export function completeCommand(): Command {
  const command = clientCommand('complete', 'ask a server to complete an argument: <server>/<prompt> name=beginning')
    .argument('<prompt>', '<server>/<prompt>, or <server> with --resource; directly, a prompt')
    .argument('[arguments...]', 'name=beginning, then other arguments that are known already')
    .option('--resource <template>', 'complete a variable of this resource template instead')
  return command.action(async (_prompt: string, _words: readonly string[], flags: ClientFlags & { readonly resource?: string }) => {
    const { runClient } = await import('./client-session.ts')
    const { completeArgument } = await import('./client-call.ts')
    await runClient(command, flags, (session) => completeArgument(session, flags))
  })
}
