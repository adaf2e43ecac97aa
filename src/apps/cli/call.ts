/** `portolan call`: calls one tool. */

import type { Command } from 'commander'
import { inputCommand, parseTtl } from './client-options.ts'
import type { InputFlags } from './client-options.ts'
import type { TaskFlags } from './client-task.ts'

const EXAMPLES = `
Arguments:
  city=Rome            typed by the tool's schema (text, number, true or false, one of a list)
  tag=a tag=b          an array, by repetition
  at.lat=41.9          a member of an object
  at:='{"lat":41.9}'   JSON as it is
  text=@file           the text of a file; @@ is a plain @
  --args '{…}'         all of them as JSON; --args - reads standard input
`

export function callCommand(): Command {
  const command = inputCommand('call', 'call a tool: <server>/<tool> name=value …')
    .argument('<tool>', '<server>/<tool>; directly, a tool')
    .argument('[arguments...]', 'name=value, name:=json or name=@file')
    .option('--args <json>', 'the arguments as a JSON object, or - for standard input; name=value adds to it')
    .option('--task', 'ask for a task where the tool may be one, and follow it')
    .option('--ttl <duration>', 'for how long the task is to be kept, as 90s, 10m or 2h; only legacy servers are told', parseTtl)
    .option('--detach', 'do not follow the task: print its id, and how to follow it')
    .addHelpText('after', EXAMPLES)
  return command.action(async (_tool: string, _words: readonly string[], flags: InputFlags & TaskFlags & { readonly args?: string }) => {
    const { runClient } = await import('./client-session.ts')
    const { callTool } = await import('./client-call.ts')
    await runClient(command, flags, (session) => callTool(session, flags))
  })
}
