/** `portolan resources`: the resources and templates of all servers, or of one. */

import type { Command } from 'commander'
import { clientCommand } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export function resourcesCommand(): Command {
  const command = clientCommand('resources', 'list resources and resource templates')
    .argument('[server]', 'a server')
  return command.action(async (_server: string | undefined, flags: ClientFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { showResources } = await import('./client-lists.ts')
    await runClient(command, flags, (session) => showResources(session, flags))
  })
}
