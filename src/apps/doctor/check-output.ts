/** Stdio servers that print to standard output what is no message: the most frequent fault of such servers. */

import { ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { byHand, stdioServers } from './server-target.ts'
import type { StdioCase } from './server-target.ts'

export const outputCheck: Check = {
  id: 'output',
  looksAt: 'whether stdio servers print only messages on standard output',
  async run(context) {
    const servers = stdioServers(context.servers)
    if (servers.length === 0) return [skipped('No server is started as a process.')]
    const findings = await Promise.all(servers.map((one) => outputFinding(one, context)))
    return findings.flat()
  },
}

async function outputFinding({ server, target }: StdioCase, context: DoctorContext): Promise<readonly Finding[]> {
  const { children, profile, redact } = await context.trial(server)
  const noisy = children.find(({ noiseCount }) => noiseCount > 0)
  if (noisy === undefined) return profile === undefined ? [] : [ok(server.name, 'Nothing but messages.')]
  const lines = noisy.noise.map((line) => `\n  ${redact(line)}`).join('')
  const count = noisy.noiseCount === 1 ? 'a line that is' : `${noisy.noiseCount} lines that are`
  const cause = 'Standard output is for messages alone: its logs belong on standard error.'
  const next = `${byHand(target)} </dev/null 2>/dev/null | head`
  if (profile !== undefined) return [warning(server.name, `It prints ${count} no message. ${cause} Portolan skips them; other clients may not.${lines}`, next)]
  return [problem(server.name, `It prints ${count} no message, and answered nothing else. ${cause} A program that only prints may want another argument, such as "--stdio".${lines}`, next)]
}
