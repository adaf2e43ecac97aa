/** `portolan tools`: the tools of all servers, of one, or one tool with its arguments. */

import type { Command } from 'commander'
import { clientCommand } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export function toolsCommand(): Command {
  const command = clientCommand('tools', 'list tools; <server>/<tool> shows one tool, its arguments and an example')
    .argument('[server]', 'a server, or <server>/<tool>; directly, a tool')
    .option('--describe', 'show every tool with its arguments')
  return command.action(async (_server: string | undefined, flags: ClientFlags & { readonly describe?: boolean }) => {
    const { runClient } = await import('./client-session.ts')
    const { showTools } = await import('./client-lists.ts')
    await runClient(command, flags, (session) => showTools(session, flags))
  })
}
