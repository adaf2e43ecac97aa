/** `portolan follow`: follows a task that a call has left behind, to its result. */

import type { Command } from 'commander'
import { inputCommand } from './client-options.ts'
import type { FollowFlags } from './client-follow.ts'

export function followCommand(): Command {
  const command = inputCommand('follow', 'follow a task that call --detach left behind: <server>/<task>')
    .argument('<task>', '<server>/<task>; directly, the id of the task')
    .option('--status', 'say how it is, and do not wait')
    .option('--cancel', 'cancel it at its server')
  return command.action(async (_task: string, flags: FollowFlags) => {
    const { runClient } = await import('./client-session.ts')
    const { followByName } = await import('./client-follow.ts')
    await runClient(command, flags, (session) => followByName(session, flags))
  })
}
