/** Asks one server what it is and which tools it has, exactly as a gateway would, and leaves nothing running. */

import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { createSystemClock } from '../../adapters/node/clock.ts'
import { createSystemRandom } from '../../adapters/node/random.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { fetchList } from '../../core/catalog/catalog-list.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'
import { createChildPool } from '../../core/upstream/child-pool.ts'
import type { Channel } from '../../core/upstream/channel.ts'
import { createUpstream } from '../../core/upstream/create-upstream.ts'
import type { Asker } from '../../core/upstream/request.ts'
import type { Upstream, UpstreamProfile } from '../../core/upstream/upstream.ts'
import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import { asciiJson, utf8Of } from '../../protocol/json.ts'
import { LATEST_LEGACY } from '../../protocol/revision.ts'
import type { Era } from '../../protocol/revision.ts'
import type { Env } from './config-file.ts'
import { readVersion } from './version.ts'

export type ServerTrial =
  | {
      readonly ok: true
      /** As the server calls itself, `everything 2.0.0`; '' where it does not say. Text of others: make it visible. */
      readonly serverName: string
      readonly eras: readonly Era[]
      /** Newest first. */
      readonly revisions: readonly string[]
      /** Undefined: it has tools, but their list could not be had. */
      readonly toolCount: number | undefined
    }
  /** `detail` as `portolan status` would have it; secrets are taken out. */
  | { readonly ok: false; readonly detail: string }

export interface TrialOptions {
  readonly env: Env
  readonly timeoutMs: number
  readonly signal?: AbortSignal
}

/** Takes `timeoutMs` at most, and what it takes to end the child process. Rejects with the reason of `signal` only. */
export async function tryServer(server: ServerSnapshot, { env, timeoutMs, signal }: TrialOptions): Promise<ServerTrial> {
  const clock = createSystemClock()
  const egress = createEgress({ env })
  const spawner = createSpawner()
  const pool = createChildPool({ limits: DEFAULT_LIMITS, clock })
  const self = { name: 'portolan', version: readVersion() }
  const deps = { egress, spawner, clock, random: createSystemRandom(), limits: DEFAULT_LIMITS, pool, self, log: () => undefined }
  const upstream = createUpstream(server, deps)
  try {
    return await Promise.race([look(upstream, { clock, self }), silence(upstream, timeoutMs), ...(signal === undefined ? [] : [aborted(signal)])])
  } finally {
    await upstream.close()
    pool.close()
    await Promise.all([spawner.close(), egress.close()])
  }
}

async function silence(upstream: Upstream, timeoutMs: number): Promise<ServerTrial> {
  await new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())
  const { detail } = upstream.status()
  return { ok: false, detail: detail === '' ? `no answer for ${Math.round(timeoutMs / 1_000)} s` : detail }
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void => reject(signal.reason)
    if (signal.aborted) onAbort()
    else signal.addEventListener('abort', onAbort, { once: true })
  })
}

async function look(upstream: Upstream, asker: Asker): Promise<ServerTrial> {
  let profile: UpstreamProfile
  try {
    profile = await upstream.profile()
  } catch {
    return { ok: false, detail: upstream.status().detail }
  }
  const found = [profile.modern, profile.legacy].filter((one) => one !== undefined)
  return {
    ok: true,
    serverName: nameOf(found[0]?.serverInfo ?? ''),
    eras: found.map(({ era }) => era),
    revisions: found.map(({ revision }) => revision),
    toolCount: await countTools(upstream, profile, asker),
  }
}

function nameOf(serverInfo: string): string {
  const info: unknown = serverInfo === '' ? undefined : JSON.parse(utf8Of(serverInfo))
  if (!isJsonObject(info)) return ''
  const texts = [ownMember(info, 'title') ?? ownMember(info, 'name'), ownMember(info, 'version')]
  return texts.filter((text) => typeof text === 'string').join(' ')
}

async function countTools(upstream: Upstream, profile: UpstreamProfile, asker: Asker): Promise<number | undefined> {
  const capabilities: unknown = JSON.parse(utf8Of((profile.modern ?? profile.legacy)?.capabilities ?? '{}'))
  if (!isJsonObject(capabilities) || !Object.hasOwn(capabilities, 'tools')) return 0
  try {
    const { items } = await fetchList(await channelTo(upstream, profile, asker), 'tools', asker, { version: 1, ticks: 0 })
    return items.length
  } catch {
    return undefined
  }
}

/** A channel in the newest era that the server speaks, asked for nothing. Rejects with PortolanError. */
export async function channelTo(upstream: Upstream, { modern, legacy }: UpstreamProfile, { self }: Asker): Promise<Channel> {
  if (modern !== undefined) return await upstream.modern()
  const listener = { onMessage: () => undefined, onClosed: () => undefined }
  const revision = legacy?.revision ?? LATEST_LEGACY
  return await upstream.openLegacy({ clientInfo: asciiJson(self), capabilities: '{}', revision, ownerKey: '', shared: true, listener, headers: [] })
}
