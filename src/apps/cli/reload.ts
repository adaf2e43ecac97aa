/** `portolan reload`: has the running gateway read its configuration again, and says what came of it. */

import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import { isEmptyChange } from '../gateway/config-change.ts'
import type { ConfigChange, ReloadReport } from '../gateway/config-change.ts'
import { formatProblems } from '../gateway/config-problem.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { visible } from '../gateway/visible-text.ts'
import { dataOption } from './option.ts'

interface ReloadOptions {
  readonly data?: string
  readonly socket?: string
  readonly json?: boolean
}

const ANSWER_MS = 30_000
const EXIT_REFUSED = 2

export function reloadCommand(): Command {
  return new Command('reload')
    .description('have the running gateway read its configuration again; a bad one changes nothing')
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .option('--json', 'print what changed, or every problem, as JSON')
    .action(async (options: ReloadOptions) => {
      const folder = resolve(options.data ?? defaultDataPath(process.env))
      const text = await postReload(options.socket ?? join(folder, 'operations.sock'))
      const report: ReloadReport = JSON.parse(text)
      if (report.outcome === 'refused') process.exitCode = EXIT_REFUSED
      if (options.json === true) process.stdout.write(text)
      else if (report.outcome === 'refused') process.stderr.write(reportText(report))
      else process.stdout.write(reportText(report))
    })
}

function postReload(socketPath: string): Promise<string> {
  return new Promise((accept, reject) => {
    const asked = request({ socketPath, path: '/reload', method: 'POST', timeout: ANSWER_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        if (response.statusCode === 200) accept(text)
        else reject(new Error(`The gateway at ${socketPath} cannot be told to reload: it answered ${response.statusCode}. Is it of an older version? Send it SIGHUP.`))
      })
      response.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error(`The gateway at ${socketPath} does not answer.`)))
    asked.on('error', (error) => {
      const isAbsent = 'code' in error && (error.code === 'ENOENT' || error.code === 'ECONNREFUSED')
      reject(isAbsent ? new Error(`No gateway runs at ${socketPath}. Start one with: portolan up (and give reload the same --data)`) : error)
    })
    asked.end()
  })
}

/** For people; ends with a newline. */
export function reportText(report: ReloadReport): string {
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
