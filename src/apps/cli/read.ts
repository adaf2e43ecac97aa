/** `portolan read`: reads one resource. */

import type { Command } from 'commander'
import { inputCommand } from './client-options.ts'
import type { InputFlags } from './client-options.ts'

export function readCommand(): Command {
  const command = inputCommand('read', 'read a resource: <server> <uri>')
    .argument('<server>', 'a server, or <server>/<uri>; directly, the URI')
    .argument('[uri]', 'the URI of the resource')
  return command.action(async (_server: string, _uri: string | undefined, flags: InputFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { readResource } = await import('./client-call.ts')
    await runClient(command, flags, (session) => readResource(session, flags))
  })
}
