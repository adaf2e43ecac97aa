/** `portolan watch`: changes of lists and resources, and log messages, until Ctrl+C. */

import type { Command } from 'commander'
import { clientCommand, logLevelOption } from './client-options.ts'
import type { ClientFlags } from './client-options.ts'

export interface WatchFlags extends ClientFlags {
  readonly resource?: readonly string[]
  readonly logLevel: string
}

export function watchCommand(): Command {
  const command = clientCommand('watch', 'show what changes at the servers, until Ctrl+C')
    .argument('[server]', 'a server; all of them without')
    .option('--resource <uri>', 'a resource whose updates are wanted; may be repeated', (uri: string, before: readonly string[] | undefined) => [...(before ?? []), uri])
    .addOption(logLevelOption())
  return command.action(async (_server: string | undefined, flags: WatchFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { watchServers } = await import('./client-watch.ts')
    await runClient(command, flags, (session) => watchServers(session, flags), { isEndless: true })
  })
}
