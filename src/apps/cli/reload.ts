/** `portolan reload`: has the running gateway read its configuration again, and says what came of it. */

import { Command } from 'commander'
import { isEmptyChange } from '../gateway/config-change.ts'
import type { ConfigChange, ReloadReport } from '../gateway/config-change.ts'
import { formatProblems } from '../gateway/config-problem.ts'
import { visible } from '../gateway/visible-text.ts'
import { openOperatorClient, withOperatorOptions } from './operator-client.ts'
import type { OperatorOptions } from './operator-client.ts'

interface ReloadOptions extends OperatorOptions {
  readonly json?: boolean
}

const EXIT_REFUSED = 2

export function reloadCommand(): Command {
  return withOperatorOptions(new Command('reload'))
    .description('have the running gateway read its configuration again; a bad one changes nothing')
    .option('--json', 'print what changed, or every problem, as JSON')
    .action(async (options: ReloadOptions) => {
      const report: ReloadReport = await openOperatorClient(options).post('/reload')
      if (report.outcome === 'refused') process.exitCode = EXIT_REFUSED
      if (options.json === true) process.stdout.write(`${JSON.stringify(report)}\n`)
      else if (report.outcome === 'refused') process.stderr.write(reportText(report))
      else process.stdout.write(reportText(report))
    })
}

/** For people; ends with a newline. */
function reportText(report: ReloadReport): string {
  if (report.outcome === 'refused') {
    return `${visibleLines(formatProblems(report.source, report.problems))}\nNothing was changed: the previous configuration stays in force.\n`
  }
  if (report.outcome === 'unchanged') return `${report.source} was read again: nothing has changed.\n`
  const head = `${report.source} was reloaded (${report.digest.slice(0, 12)}).`
  const { change } = report
  const lines = isEmptyChange(change) ? ['  changed: the token, or a secret behind a reference'] : linesOf(change)
  return visibleLines([head, ...lines, ''].join('\n'))
}

function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n')
}

function linesOf(change: ConfigChange): string[] {
  const { added, removed, changed, renamed, settings, atNextStart } = change
  const parts: readonly (readonly [label: string, names: readonly string[]])[] = [
    ['added', added],
    ['removed', removed],
    ['changed', changed],
    ['renamed', renamed.map(({ from, to }) => `${from} is now ${to}`)],
    ['in force now', settings],
    ['in force at the next start', atNextStart],
  ]
  return parts.flatMap(([label, names]) => (names.length === 0 ? [] : [`  ${label}: ${names.join(', ')}`]))
}
