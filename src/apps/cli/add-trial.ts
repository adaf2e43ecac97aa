/** Tries a server of a configuration file, and puts what came of it into words. */

import { formatProblems } from '../gateway/config-problem.ts'
import { findServer } from '../gateway/config-edit-server.ts'
import { scopeOf } from '../gateway/config-inspect.ts'
import { compileSnapshot } from '../gateway/config-snapshot.ts'
import { inspectConfig } from '../gateway/config.ts'
import { tryServer } from '../gateway/server-trial.ts'
import type { ServerTrial } from '../gateway/server-trial.ts'
import { visible } from '../gateway/visible-text.ts'

/** Beyond the time that the server itself is given to start. */
const LISTING_MS = 10_000

export interface TriedServer {
  readonly path: string
  /** Of the whole file. */
  readonly text: string
  readonly name: string
}

export interface TrialWatch {
  readonly signal: AbortSignal
  /** It is asked now, and given so long. */
  readonly onBegin: (limitMs: number) => void
}

/** A reference that leads nowhere here is a failed trial: it may lead somewhere where Portolan runs. Rejects with the reason of `signal` only. */
export async function tryAdded({ path, text, name }: TriedServer, { signal, onBegin }: TrialWatch): Promise<ServerTrial> {
  const { config } = inspectConfig(text)
  const server = config === undefined ? undefined : findServer(config, name)
  if (config === undefined || server === undefined) return { ok: false, detail: 'it is not in the file' }
  const compiled = compileSnapshot({ ...config, servers: [server], portolan: { version: 1 } }, scopeOf(path, config, process.env))
  if (!compiled.ok) return { ok: false, detail: formatProblems('what it refers to', compiled.fault) }
  const [snapshot] = compiled.value.servers
  if (snapshot === undefined) return { ok: false, detail: 'it is disabled' }
  const timeoutMs = snapshot.connectTimeoutMs + LISTING_MS
  onBegin(timeoutMs)
  return await tryServer(snapshot, { env: process.env, timeoutMs, signal })
}

/** For people: what it is, or what went wrong and what to do. */
export function trialText(name: string, trial: ServerTrial): string {
  if (trial.ok) {
    const { serverName, toolCount, revisions, eras } = trial
    const tools = toolCount === undefined ? 'its tools could not be listed' : toolCount === 1 ? '1 tool' : `${toolCount} tools`
    return `${name} answers: ${serverName === '' ? 'a server without a name' : visible(serverName)}, ${tools}, ${eras.join(' and ')} (${revisions.join(', ')})`
  }
  const advice = ADVICE.find(([pattern]) => pattern.test(trial.detail))?.[1] ?? 'portolan doctor looks closer.'
  return `${name} does not answer: ${trial.detail.split('\n').map(visible).join('\n')}\n  ${advice}`
}

const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/environment variable \w+ is not set/, 'Where Portolan runs it may be set; to try it here, set it in this shell too.'],
  [/what it refers to/, 'Mend the reference, or create what it refers to.'],
  [/command not found/, 'Install the program, or give its whole path.'],
  [/not executable/, 'Make the file executable, or name the program that runs it as the command.'],
  [/no such directory/, 'Give another --cwd.'],
  [/npm error 404/, 'npm knows no package of this name: check how it is written.'],
  [/exited with|was ended by/, 'Run its command by hand to see why it ends.'],
  [/connection (?:refused|timed out)|no such host|no route to/, 'Start the server, or mend its URL.'],
  [/\b40[13]\b/, 'The server wants credentials: give them with --header.'],
  [/\b404\b|\b405\b/, 'The URL is probably another: most servers answer at /mcp.'],
  [/^no answer for.*; stdout: /, 'It writes something else than messages to standard output, where nothing else belongs: portolan doctor --only output shows it.'],
  [/^no answer for/, 'npx and uvx may be fetching it: run its command by hand once, and try again.'],
]
