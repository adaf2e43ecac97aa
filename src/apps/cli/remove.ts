/** `portolan remove`: takes a server out of the configuration file, and nothing else. */

import { Command } from 'commander'
import { removeServer } from '../gateway/config-edit-server.ts'
import { editAndSay, withEditOptions } from './edit.ts'
import type { EditOptions } from './edit.ts'

export function removeCommand(): Command {
  return withEditOptions(new Command('remove').description('take a server out of the configuration file, with its options'))
    .argument('<name>', 'as the file has it')
    .action((name: string, options: EditOptions) =>
      editAndSay({ action: 'remove', name, done: () => `Removed ${name} from`, options, edit: (text) => removeServer(text, name) }),
    )
}
