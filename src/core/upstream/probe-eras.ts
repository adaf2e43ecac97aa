/** Asks a server for both eras at once, over its link: where one has answered, the other's silence is cut short. */

import { asciiJson } from '../../protocol/json.ts'
import type { Result } from '../../protocol/result.ts'
import { LATEST_LEGACY } from '../../protocol/revision.ts'
import type { ServerSnapshot } from '../gateway/snapshot.ts'
import { readHandshakeProfile } from './legacy-handshake.ts'
import type { OpenFault } from './legacy-handshake.ts'
import type { UpstreamLink } from './link.ts'
import { concludeProbe } from './probe.ts'
import type { ProbeVerdict, SelfInfo } from './probe.ts'
import type { EraProfile } from './upstream.ts'

export interface ProbeErasOptions {
  /** What it is configured to speak: nothing else is asked for. */
  readonly era: ServerSnapshot['era']
  readonly probeModern: UpstreamLink['probeModern']
  readonly openLegacy: UpstreamLink['openLegacy']
  readonly self: SelfInfo
}

/** Never rejects. */
export async function probeEras({ era, probeModern, openLegacy, self }: ProbeErasOptions): Promise<ProbeVerdict> {
  const modernDone = Promise.withResolvers<void>()
  const legacyDone = Promise.withResolvers<void>()
  const never = new Promise<void>(() => undefined)
  const [modern, legacy] = await Promise.all([
    era === 'legacy' ? undefined : probeModern(era === 'modern' ? never : legacyDone.promise).finally(modernDone.resolve),
    era === 'modern' ? undefined : probeLegacy(openLegacy, self, era === 'legacy' ? never : modernDone.promise).finally(legacyDone.resolve),
  ])
  return concludeProbe(modern, legacy)
}

async function probeLegacy(openLegacy: UpstreamLink['openLegacy'], self: SelfInfo, hurry: Promise<unknown>): Promise<Result<EraProfile, OpenFault>> {
  const opened = await openLegacy(
    {
      clientInfo: asciiJson({ name: self.name, version: self.version }),
      capabilities: '{}',
      revision: LATEST_LEGACY,
      ownerKey: '',
      shared: true,
      listener: { onMessage: () => undefined, onClosed: () => undefined },
      headers: [],
    },
    hurry,
  )
  if (!opened.ok) return opened
  const { initializeResult, revision } = opened.value
  opened.value.close().catch(() => undefined)
  return readHandshakeProfile(initializeResult, revision)
}
