/** `portolan rename`: another name for a server, whose id stays. */

import { Command } from 'commander'
import { renameServer } from '../gateway/config-edit-server.ts'
import { editAndSay, withEditOptions } from './edit.ts'
import type { EditOptions } from './edit.ts'

export function renameCommand(): Command {
  return withEditOptions(new Command('rename').description('give a server another name; its id, and with it its sessions and records, stay'))
    .argument('<name>', 'as the file has it')
    .argument('<new-name>', 'what it is called from now on')
    .action((name: string, newName: string, options: EditOptions) =>
      editAndSay({ action: 'rename', name: newName, done: () => `Renamed ${name} to ${newName} in`, options, edit: (text) => renameServer(text, name, newName) }),
    )
}
