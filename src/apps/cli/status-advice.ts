/** What helps a server that is down, by what it was said to have. */

import type { ServerStatus } from '../gateway/status.ts'

const ADVICE: readonly (readonly [pattern: RegExp, advice: string])[] = [
  [/command not found/, 'Install the program, write its whole path as "command", or start Portolan with a PATH that has it.'],
  [/not executable/, 'Make the file executable, or name the program that runs it as "command".'],
  [/no such directory/, 'Mend "cwd" of this server in the configuration.'],
  [/CERT|certificate|self[- ]signed/i, 'portolan doctor --only upstream explains the certificate.'],
  [/npm error 404/, 'npm knows no package of this name: mend "args" of this server in the configuration.'],
  [/exited with|was ended by/, 'Run its command by hand to see why it ends; portolan up --log-level debug shows all it says.'],
  [/connection (?:refused|timed out)|no such host|no route to/, 'Start the server, or mend its "url" in the configuration. It is asked again by itself.'],
  [/\b40[13]\b/, 'The server wants other credentials: see "headers" of this server in the configuration.'],
  [/\b(?:404|405)\b/, 'portolan doctor --only url looks for the right address.'],
  [/^the last \d+ calls failed/, 'Calls are let through again by themselves as soon as one is answered; the log says why the last ones failed.'],
  [/^no answer for.*; stdout: /, 'It writes something else than messages to standard output, where nothing else belongs: portolan doctor --only output shows it.'],
  [/^no answer for/, 'It is still waited for: npx and uvx may be fetching it. Run its command by hand to see.'],
]

/** One sentence for people; '' for a server that is not down. */
export function adviceFor({ state, detail }: Pick<ServerStatus, 'state' | 'detail'>): string {
  if (state !== 'degraded') return ''
  const advice = ADVICE.find(([pattern]) => pattern.test(detail))?.[1]
  return advice ?? 'It is asked again by itself. portolan doctor looks closer.'
}
