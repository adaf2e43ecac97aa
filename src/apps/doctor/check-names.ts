/** Names of tools and prompts on `/mcp`: those that could not be joined as they are, and those that one server gives twice. */

import { exposeNames } from '../../core/catalog/naming.ts'
import type { NameReport } from '../../core/catalog/naming.ts'
import { ok, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'

const WHY: Readonly<Record<NameReport['why'], string>> = {
  characters: 'hold characters that model APIs refuse',
  length: 'are longer than the 64 characters that model APIs accept',
  collision: 'would be the same as others',
}
const SHOWN = 5

export const namesCheck: Check = {
  id: 'names',
  looksAt: 'whether names on /mcp had to be shortened, rewritten or told apart',
  async run(context) {
    const trials = await Promise.all(context.servers.map(async (server) => ({ server: server.name, ...(await context.trial(server)) })))
    const kinds = (['tools', 'prompts'] as const).map((kind) => ({ kind, items: trials.flatMap(({ server, [kind]: names }) => (names ?? []).map((name) => ({ server, name }))) }))
    if (kinds.every(({ items }) => items.length === 0)) return [skipped('No server told its names.')]
    const findings = kinds.flatMap(({ kind, items }) => reportFindings(kind, exposeNames(items, context.separator).reports, context.editCommand))
    return findings.length > 0 ? findings : [ok('/mcp', 'All names fit as they are.')]
  },
}

function reportFindings(kind: string, reports: readonly NameReport[], next: string): readonly Finding[] {
  return (Object.keys(WHY) as NameReport['why'][]).flatMap((why) => {
    const found = reports.filter((report) => report.why === why)
    if (found.length === 0) return []
    const lines = found.slice(0, SHOWN).map(({ server, name, exposedAs }) => `\n  ${server}: ${name} is ${exposedAs}`)
    const more = found.length > SHOWN ? `\n  and ${found.length - SHOWN} more` : ''
    const advice = why === 'length' ? 'A shorter name for the server helps' : 'They keep their names'
    return [warning('/mcp', `${found.length} ${kind} ${WHY[why]} and got a digest. ${advice}; at /<name>/mcp nothing is rewritten.${lines.join('')}${more}`, next)]
  })
}
