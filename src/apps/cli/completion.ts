/** `portolan completion`: prints the script that lets a shell complete; the script asks this command back at each Tab. */

import { Argument, Command } from 'commander'

const SHELLS = ['bash', 'zsh', 'fish', 'powershell']
/** What the scripts ask: with the words up to the cursor, or (bash) with its word breaks and the line. */
const REQUESTS = ['complete', 'complete-line']

const PLACES = `
Put it where the shell finds it:
  bash         portolan completion bash > ~/.local/share/bash-completion/completions/portolan
  zsh          portolan completion zsh > ~/.zfunc/_portolan       (with fpath+=~/.zfunc before compinit)
  fish         portolan completion fish > ~/.config/fish/completions/portolan.fish
  powershell   portolan completion powershell >> $PROFILE
`

export function completionCommand(): Command {
  const command = new Command('completion')
    .description('print the script that completes commands, servers, tools and arguments in a shell')
    .addArgument(new Argument('<shell>', SHELLS.join(', ')))
    .argument('[words...]', 'for the script')
    .addHelpText('after', PLACES)
  return command.action(async (shell: string, words: readonly string[]) => {
    if (REQUESTS.includes(shell)) {
      const { completeLine, completeWords } = await import('./completion-words.ts')
      const program = command.parent ?? command
      const text = shell === 'complete' ? await completeWords(program, words) : await completeLine(program, words[0] ?? '', words[1] ?? '')
      process.stdout.write(text)
      return
    }
    if (!SHELLS.includes(shell)) command.error(`error: there is no script for ${shell}. There are: ${SHELLS.join(', ')}`, { exitCode: 2 })
    const { completionScript } = await import('./completion-script.ts')
    process.stdout.write(completionScript(shell))
  })
}
