/** `portolan servers`: what there is to speak to. */

import type { Command } from 'commander'
import { clientCommand } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export function serversCommand(): Command {
  const command = clientCommand('servers', 'list the servers of the running Portolan, or say what one server is')
  return command.action(async (flags: ClientFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { showServers } = await import('./client-lists.ts')
    await runClient(command, flags, (session) => showServers(session, flags))
  })
}
