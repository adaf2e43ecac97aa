/** The eras that servers speak, against those that the configuration allows. */

import type { UpstreamProfile } from '../../core/upstream/upstream.ts'
import { ok, problem, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'

export const eraCheck: Check = {
  id: 'era',
  looksAt: 'whether servers speak the era that the configuration says',
  async run(context) {
    const tried = await Promise.all(context.servers.map(async (server) => ({ server, profile: (await context.trial(server)).profile })))
    const known = tried.flatMap(({ server, profile }) => (profile === undefined ? [] : [eraFinding(server.name, server.era, profile, context.editCommand)]))
    return known.length > 0 ? known : [skipped('No server said what it speaks.')]
  },
}

/** `next` opens the configuration. */
function eraFinding(name: string, era: 'auto' | 'legacy' | 'modern', profile: UpstreamProfile, next: string): Finding {
  const revisions = [profile.legacy, profile.modern].flatMap((one) => (one === undefined ? [] : [one.revision])).join(' and ')
  if (era === 'auto') return ok(name, `It speaks ${revisions}.`)
  const setting = `portolan.servers.${name}.era is "${era}"`
  if (profile[era] === undefined) return problem(name, `${setting}, but the server speaks only ${revisions}: write "auto", or leave it out.`, next)
  const other = era === 'legacy' ? profile.modern : profile.legacy
  if (other === undefined) return ok(name, `It speaks ${revisions}.`)
  return warning(name, `${setting}, but the server speaks ${revisions}: clients of the other era are translated without need.`, next)
}
