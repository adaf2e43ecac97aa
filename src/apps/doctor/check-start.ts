/** Whether stdio servers stay and answer once they are started; what those that do not said last. */

import { ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import type { ChildRecord } from './observed-spawner.ts'
import { byHand, stdioServers } from './server-target.ts'
import type { StdioCase } from './server-target.ts'
import type { Trial } from './trial.ts'

export const startCheck: Check = {
  id: 'start',
  looksAt: 'whether stdio servers stay and answer when they are started (each is started for a moment)',
  async run(context) {
    const servers = stdioServers(context.servers)
    if (servers.length === 0) return [skipped('No server is started as a process.')]
    return await Promise.all(servers.map((one) => startFinding(one, context)))
  },
}

async function startFinding({ server, target }: StdioCase, context: DoctorContext): Promise<Finding> {
  const trial = await context.trial(server)
  const { name } = server
  const hand = byHand(target)
  if (trial.profile !== undefined) return ok(name, `It answered after ${(trial.waitedMs / 1_000).toFixed(1)} s.`)
  const unstarted = trial.children.find(({ exit }) => exit?.error !== undefined)
  if (unstarted !== undefined) return unstartedFinding(name, trial.redact(unstarted.exit?.error ?? ''), hand)
  const ended = trial.children.find(({ exit }) => exit !== undefined)
  if (ended !== undefined) return problem(name, endedText(ended, trial), hand)
  const said = lastLines(trial.children.findLast(({ stderr }) => stderr !== '')?.stderr ?? '', trial)
  if (!trial.isSilent) return problem(name, `It did not say what it is: ${trial.detail}${said}`, hand)
  const fetching = /^(?:npx|bunx|pnpx|uvx|pipx|docker)$/.test(target.command.split('/').at(-1) ?? '')
  const why = fetching ? ' It may still be fetching itself: run it by hand once.' : ' It may wait for something else, or serve HTTP instead of standard input.'
  return warning(name, `It said nothing for ${Math.round(trial.waitedMs / 1_000)} s.${why}${hintText(said)}${said}`, hand)
}

/** What the check of commands explains is told once. */
function unstartedFinding(name: string, error: string, hand: string): Finding {
  if (/^(?:command not found|not executable|no such directory)/.test(error)) return { ...skipped(`It could not be started (${error}): see the check "command".`), subject: name }
  return problem(name, `It could not be started: ${error}.`, hand)
}

function endedText({ exit, livedMs, stderr }: ChildRecord, trial: Trial): string {
  const how = exit?.signal != null ? `was ended by ${exit.signal}` : `exited with code ${exit?.code ?? 'unknown'}`
  const said = lastLines(stderr, trial)
  return `It ${how} after ${(livedMs / 1_000).toFixed(1)} s.${hintText(`${exit?.code ?? ''} ${stderr}`)}${said === '' ? ' It said nothing on standard error.' : said}`
}

function lastLines(stderr: string, { redact }: Trial): string {
  const lines = redact(stderr).trim().split('\n').filter((line) => line.trim() !== '').slice(-5)
  return lines.length === 0 ? '' : `\nIts last words:\n${lines.map((line) => `  ${line.trimEnd().slice(0, 300)}`).join('\n')}`
}

const SETTING = '(?:api[ _-]?key|token|secret|credential|environment variable)'

const HINTS: readonly (readonly [pattern: RegExp, hint: string])[] = [
  [/ERR_MODULE_NOT_FOUND|Cannot find module|ModuleNotFoundError/, 'A part of the program is missing: install it again, or check the path in its arguments.'],
  [/E404|No matching distribution|not found in the package registry|could not determine executable/, 'There is no such package: check its name.'],
  [/ENOTFOUND|EAI_AGAIN|ENETUNREACH|Temporary failure in name resolution|getaddrinfo|network is unreachable/i, 'It did not reach the network.'],
  [/EADDRINUSE|address already in use/i, 'It listens on a port that is taken: a stdio server needs none, so it may run in its HTTP mode.'],
  [/EACCES|Permission denied/i, 'It may not read or write something.'],
  [/SyntaxError|Unsupported engine|requires? (?:node|python)/i, 'It may need another version of its language.'],
  [
    new RegExp(`${SETTING}\\S*.*(?:required|missing|not set|must|provide|undefined)|(?:required|missing|set|provide).*${SETTING}`, 'i'),
    'It asks for a setting: give it in "env" of this server. Portolan passes on nothing else but PATH, HOME and the like.',
  ],
  [/usage:|unknown option|unrecognized argument/i, 'It does not understand its arguments.'],
]

function hintText(text: string): string {
  const hint = HINTS.find(([pattern]) => pattern.test(text))?.[1]
  return hint === undefined ? '' : ` ${hint}`
}
