/**
 * Asks a server what it is exactly as Portolan does, with an eye on what Portolan itself ignores: what the process prints,
 * how it ends, which status, headers and page an address answers with. Everything kept is bounded; secrets are taken out.
 */

import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { fetchList } from '../../core/catalog/catalog-list.ts'
import type { ListKind } from '../../core/catalog/list-kind.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'
import type { Channel } from '../../core/upstream/channel.ts'
import { createChildPool } from '../../core/upstream/child-pool.ts'
import { createUpstream } from '../../core/upstream/create-upstream.ts'
import type { Egress } from '../../core/upstream/egress.ts'
import { createRedaction } from '../../core/upstream/redaction.ts'
import type { Upstream, UpstreamProfile } from '../../core/upstream/upstream.ts'
import type { Env } from '../gateway/config-file.ts'
import { channelTo } from '../gateway/server-trial.ts'
import { readVersion } from '../gateway/version.ts'
import { observeEgress } from './observed-egress.ts'
import type { HttpRecord } from './observed-egress.ts'
import { observeSpawner } from './observed-spawner.ts'
import type { ChildRecord } from './observed-spawner.ts'

export interface Trial {
  /** Undefined: it did not say what it is. */
  readonly profile: UpstreamProfile | undefined
  /** Why not, as `portolan status` would have it; '' where it did. */
  readonly detail: string
  /** It was still silent when the time was over. */
  readonly isSilent: boolean
  readonly waitedMs: number
  /** Names as the server has them; undefined where a list could not be had. */
  readonly tools: readonly string[] | undefined
  readonly prompts: readonly string[] | undefined
  readonly children: readonly ChildRecord[]
  readonly requests: readonly HttpRecord[]
  /** Takes the secrets of this server out of a text. */
  readonly redact: (text: string) => string
}

export interface HttpAsk {
  readonly method: 'GET' | 'POST'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs?: number
}

/** Status 0: no answer; `failure` says why. */
export type HttpAnswer = HttpRecord

export interface Trials {
  trial(server: ServerSnapshot): Promise<Trial>
  ask(ask: HttpAsk): Promise<HttpAnswer>
  close(): Promise<void>
}

export function openTrials(env: Env, trialMs: number): Trials {
  const clock = createSystemClock()
  const random = createSystemRandom()
  const egress = createEgress({ env })
  const spawner = createSpawner()
  const limits = DEFAULT_LIMITS
  const pool = createChildPool({ limits, clock })
  const self = { name: 'portolan-doctor', version: readVersion() }
  const trials = new Map<ServerSnapshot, Promise<Trial>>()
  const upstreams: Upstream[] = []

  async function tryOut(server: ServerSnapshot): Promise<Trial> {
    const children: ChildRecord[] = []
    const requests: HttpRecord[] = []
    const redact = createRedaction(server.target)
    const upstream = createUpstream(
      { ...server, era: 'auto' },
      { egress: observeEgress(egress, requests), spawner: observeSpawner(spawner, children), clock, random, limits, pool, self, log: () => undefined },
    )
    upstreams.push(upstream)
    const startedMs = clock.ticksMs()
    const found: Found = { profile: undefined, tools: undefined, prompts: undefined, detail: '' }
    const look = lookAt(upstream, found, { clock, self })
    const isSilent = await Promise.race([look.then(() => false), after(trialMs)])
    return { ...found, isSilent: isSilent && found.profile === undefined, waitedMs: clock.ticksMs() - startedMs, children, requests, redact }
  }

  return {
    trial(server) {
      const known = trials.get(server) ?? tryOut(server)
      trials.set(server, known)
      return known
    },
    ask: (ask) => askOnce(egress, ask),
    async close() {
      await Promise.all(upstreams.map((upstream) => upstream.close()))
      pool.close()
      await Promise.all([spawner.close(), egress.close()])
    },
  }
}

interface Found {
  profile: UpstreamProfile | undefined
  tools: readonly string[] | undefined
  prompts: readonly string[] | undefined
  detail: string
}

type Asker = Parameters<typeof fetchList>[2]

async function lookAt(upstream: Upstream, found: Found, asker: Asker): Promise<void> {
  try {
    found.profile = await upstream.profile()
  } catch {
    found.detail = upstream.status().detail
    return
  }
  try {
    const channel = await channelTo(upstream, found.profile, asker)
    found.tools = await namesOf(channel, 'tools', found.profile, asker)
    found.prompts = await namesOf(channel, 'prompts', found.profile, asker)
  } catch {
    // A list that cannot be had is undefined.
  }
}

async function namesOf(channel: Channel, kind: ListKind & ('tools' | 'prompts'), profile: UpstreamProfile, asker: Asker): Promise<readonly string[]> {
  if (!(profile.modern ?? profile.legacy)?.capabilities.includes(`"${kind}"`)) return []
  const { items } = await fetchList(channel, kind, asker, { version: 1, ticks: 0 })
  return items.map(({ key }) => Buffer.from(key, 'latin1').toString('utf8'))
}

function askOnce(egress: Egress, { method, url, headers = {}, body, timeoutMs = 4_000 }: HttpAsk): Promise<HttpAnswer> {
  return new Promise((resolve) => {
    const records: HttpRecord[] = []
    const settle = (): void => {
      clearTimeout(timer)
      const [record] = records
      if (record !== undefined) resolve(record)
    }
    const request = { method, url, headers: Object.entries(headers), connectTimeoutMs: timeoutMs, ...(body === undefined ? {} : { body }) }
    const control = observeEgress(egress, records).send(request, {
      onHead: (_status, header) => {
        // A stream may never end; what matters of it comes with its head.
        if ((header('content-type') ?? '').startsWith('text/event-stream')) setTimeout(stop, STREAM_MS)
      },
      onChunk: () => undefined,
      onEnd: settle,
      onFailure: settle,
    })
    const stop = (): void => {
      control.abort()
      settle()
    }
    const timer = setTimeout(stop, timeoutMs)
  })
}

const STREAM_MS = 200

function after(ms: number): Promise<true> {
  return new Promise((resolve) => setTimeout(() => resolve(true), ms).unref())
}
