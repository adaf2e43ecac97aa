/** `portolan enable` and `portolan disable`: whether a server of the configuration file is served. */

import { Command } from 'commander'
import { enableServer } from '../gateway/config-edit-server.ts'
import { editAndSay, withEditOptions } from './edit.ts'
import type { EditOptions } from './edit.ts'

export function enableCommand(): Command {
  return switchCommand('enable', 'serve a server again that was disabled', true)
}

export function disableCommand(): Command {
  return switchCommand('disable', 'keep a server in the configuration file, but serve it no longer', false)
}

function switchCommand(action: 'enable' | 'disable', description: string, enabled: boolean): Command {
  const done = enabled ? 'Enabled' : 'Disabled'
  return withEditOptions(new Command(action).description(description))
    .argument('<name>', 'as the file has it')
    .action((name: string, options: EditOptions) =>
      editAndSay({ action, name, done: () => `${done} ${name} in`, options, edit: (text) => enableServer(text, name, enabled) }),
    )
}
