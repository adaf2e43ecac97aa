import { afterEach, describe, expect, it } from 'vitest'
import { createEraStore } from '../../adapters/memory/era-store.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import { startActor } from '../../../test/fixtures/upstream/actor.ts'
import { clock, configOf, depsOf, http, until } from '../../../test/fixtures/upstream/support.ts'
import { startNetwork } from '../../../test/services/network.ts'
import { createUpstream } from './create-upstream.ts'
import type { EraStore } from './era-store.ts'
import { createProfileMemory } from './profile-memory.ts'
import type { Upstream } from './upstream.ts'

const closers: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** The same server, as two starts of Portolan see it over one store. */
function open(url: string, store: EraStore): Upstream {
  const [egress, spawner] = [createEgress({ env: {} }), createSpawner()]
  const deps = depsOf({ egress, spawner }, { memoryOf: () => createProfileMemory(store, 'key'), requestTimeoutMs: 2_000 })
  const upstream = createUpstream(configOf(http(url)), deps)
  closers.push(() => egress.close(), () => spawner.close(), () => upstream.close())
  return upstream
}

async function start(eras: ('modern' | 'legacy')[]) {
  const actor = await startActor(eras)
  const network = await startNetwork(Number(new URL(actor.url).port))
  closers.push(() => actor.close(), () => network.close())
  const url = new URL(actor.url)
  url.port = String(network.port)
  return { network, url: url.href }
}

const known = (upstream: Upstream): string[] => Object.entries(upstream.knownProfile() ?? {}).flatMap(([era, profile]) => (profile === undefined ? [] : [era]))

describe('what a server was found to be', () => {
  it('is known at the next start, before the server has said anything', async () => {
    const store = createEraStore(clock)
    const { network, url } = await start(['modern', 'legacy'])
    const before = await open(url, store).profile()
    network.silence()
    const startMs = performance.now()
    const after = open(url, store)
    expect(await after.profile()).toEqual(before)
    expect(performance.now() - startMs).toBeLessThan(1_000)
  })

  it('gives way to what the server says of itself now', async () => {
    const store = createEraStore(clock)
    const { url } = await start(['modern', 'legacy'])
    const profile = await open(url, store).profile()
    await store.save('key', { ...profile, modern: undefined }, 60_000)
    const upstream = open(url, store)
    await upstream.profile()
    await until(() => known(upstream).length === 2)
    expect(await store.find('key')).toEqual(profile)
  })

  it('is asked for anew once the server has belied it', async () => {
    const store = createEraStore(clock)
    const { network, url } = await start(['legacy'])
    const profile = await open(url, store).profile()
    network.silence()
    const upstream = open(url, store)
    expect(await upstream.profile()).toEqual(profile)
    upstream.forgetProfile()
    await expect(upstream.profile()).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  it('is found out by asking where the store is away, or knows nothing', async () => {
    const { url } = await start(['legacy'])
    const away: EraStore = { find: () => Promise.reject(new Error('away')), save: () => Promise.reject(new Error('away')) }
    for (const store of [away, createEraStore(clock)]) expect((await open(url, store).profile()).legacy?.revision).toBe('2025-11-25')
  })
})
