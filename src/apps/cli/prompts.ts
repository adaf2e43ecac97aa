/** `portolan prompts`: the prompts of all servers, of one, or one prompt with its arguments. */

import type { Command } from 'commander'
import { clientCommand } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export function promptsCommand(): Command {
  const command = clientCommand('prompts', 'list prompts; <server>/<prompt> shows one prompt, its arguments and an example')
    .argument('[server]', 'a server, or <server>/<prompt>; directly, a prompt')
  return command.action(async (_server: string | undefined, flags: ClientFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { showPrompts } = await import('./client-lists.ts')
    await runClient(command, flags, (session) => showPrompts(session, flags))
  })
}
