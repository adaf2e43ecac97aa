/**
 * The scripts for shells. zsh, fish and PowerShell: those of @bomb.sh/tab. bash: our own, because tab's evaluates the typed
 * line and expands the suggestions (`compgen -W`), and servers choose the names that are suggested.
 */

import tab from '@bomb.sh/tab'

const BASH = `# bash completion for portolan
_portolan_complete() {
  local line directive=0
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :*) directive=\${line#:} ;;
      *) COMPREPLY+=("\${line%%$'\\t'*}") ;;
    esac
  done < <(portolan completion complete-line -- "$COMP_WORDBREAKS" "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
  if (( directive & 2 )); then compopt -o nospace; fi
}
complete -o default -F _portolan_complete portolan
`

/** The script of one of bash, zsh, fish, powershell. */
export function completionScript(shell: string): string {
  if (shell === 'bash') return BASH
  let script = ''
  const { log } = console
  // The package can only print.
  console.log = (text: string) => void (script += `${text}\n`)
  try {
    tab.setup('portolan', 'portolan completion', shell)
  } finally {
    console.log = log
  }
  // An argument may hold a dash too (user-id=…): only what begins with one is a flag.
  return script.replaceAll("'-.*='", "'^-.*='")
}
