import { describe, expect, it } from 'vitest'
import { createLeaseStore } from '../../adapters/memory/lease-store.ts'
import { createPeerNetwork } from '../../adapters/memory/peer-link.ts'
import { clock, sleep } from '../../../test/fixtures/upstream/support.ts'
import { fail, ok } from '../../protocol/result.ts'
import { createManualClock } from '../../adapters/memory/clock.ts'
import type { PeerNetwork } from '../../adapters/memory/peer-link.ts'
import type { Clock } from '../clock.ts'
import type { LeaseStore } from '../replica/lease-store.ts'
import { CHANNEL_TOPIC, writeChannelAnswer } from '../replica/channel-texts.ts'
import { createTenures } from '../replica/tenure.ts'
import type { Channel } from './channel.ts'
import type { UpstreamLink } from './link.ts'
import { createSingletonLink } from './singleton-link.ts'
import type { SingletonLink } from './singleton-link.ts'
import type { Child, ChildHandler, Spawner } from './spawner.ts'

const REQUEST = { command: 'server', args: [], env: {}, cwd: undefined }
const QUIET = { onStdout: () => undefined, onStderr: () => undefined, onDrain: () => undefined, onExit: () => undefined }

/** Starts a child at each opening. */
function localLink(spawner: Spawner): UpstreamLink {
  const channel: Channel = {
    era: 'modern', transport: 'stdio', revision: '2026-07-28', closed: false,
    nextId: () => '1', send: () => ({ abort: () => undefined, resume: () => undefined }), notify: () => Promise.resolve(), close: () => Promise.resolve(),
  }
  return {
    probeModern: () => Promise.resolve({ verdict: 'unknown', detail: '' }),
    openModern: () => Promise.resolve(spawner.spawn(REQUEST, QUIET).pid === 0 ? fail({ reason: 'unreachable', detail: '' }) : ok({ ...channel })),
    openLegacy: () => Promise.resolve(fail({ reason: 'refused', detail: '' })),
    useHeaders: () => undefined, retire: () => undefined, children: () => 0, processes: () => [], restarts: () => 0, close: () => Promise.resolve(),
  }
}

interface Started {
  readonly handler: ChildHandler
  /** It was ended, as far as it can be. */
  readonly gone: PromiseWithResolvers<void>
  survives: boolean
}

function replica(replicaId: string, store: LeaseStore, network: PeerNetwork, own: Clock = clock): { readonly link: SingletonLink; readonly started: Started[] } {
  const started: Started[] = []
  const spawner: Spawner = {
    spawn(_request, handler): Child {
      const gone = Promise.withResolvers<void>()
      const own: Started = { handler, gone, survives: false }
      started.push(own)
      return { pid: started.length, write: () => true, pause: () => undefined, resume: () => undefined, expireIn: () => true, stop: () => gone.promise, isLeft: () => Promise.resolve(own.survives) }
    },
  }
  const link = createSingletonLink({ upstreamId: 'files', clock: own, spawner, createLocal: localLink, tenures: createTenures({ clock: own, store, replicaId }), peers: network.join(replicaId) })
  return { link, started }
}

describe('the one set of children of a server', () => {
  it('gets no next child, and goes to no other replica, before that is gone which the last one left behind', async () => {
    const [store, network] = [createLeaseStore(clock), createPeerNetwork()]
    const { link, started } = replica('a', store, network)
    await link.openModern('2026-07-28')
    const [first] = started as [Started]
    first.handler.onExit({ code: 1, signal: null, error: undefined })
    const next = link.openModern('2026-07-28')
    const closed = link.close().then(() => 'closed')
    expect(await Promise.race([next, closed, sleep(100)])).toBe(undefined)
    expect([started.length, (await store.find('singleton:files'))?.holder]).toEqual([1, 'a'])
    first.gone.resolve()
    expect(await closed).toBe('closed')
    expect(await store.find('singleton:files')).toBe(undefined)
    await next
  })

  it('is run by nobody else as long as something of it survives, and by the next one when that is gone', async () => {
    const [store, network] = [createLeaseStore(clock), createPeerNetwork()]
    const { link, started } = replica('a', store, network)
    await link.openModern('2026-07-28')
    const [first] = started as [Started]
    first.survives = true
    first.handler.onExit({ code: null, signal: 'SIGKILL', error: undefined })
    first.gone.resolve()
    const next = link.openModern('2026-07-28')
    await link.placement.handOver(0)
    expect((await store.find('singleton:files'))?.holder).toBe('a')
    expect(await next).toMatchObject({ ok: false, fault: { detail: 'a process of its last run cannot be ended, and no second one runs beside it' } })
    // Longer than a lease: it is renewed.
    expect((await store.find('singleton:files'))?.holder).toBe('a')
    expect(started).toHaveLength(1)
    first.survives = false
    await expect.poll(() => store.find('singleton:files')).toBe(undefined)
    await link.close()
  })

  it('is asked for one shared channel by a replica that does not run it, however many want it first', async () => {
    const [store, network] = [createLeaseStore(clock), createPeerNetwork()]
    await store.acquire('singleton:files', 'far', 60_000)
    const profile = { era: 'modern', revision: '2026-07-28', capabilities: '{}', serverInfo: '', instructions: '' } as const
    let opens = 0
    let open = 0
    network.join('far').serve(CHANNEL_TOPIC, async function* (_text, signal) {
      opens += 1
      open += 1
      yield writeChannelAnswer({ kind: 'opened', opened: { channelId: 'c', idPrefix: `r${opens}`, profile, initializeResult: '' } })
      await new Promise((resolve) => signal.addEventListener('abort', resolve))
      open -= 1
    })
    const { link } = replica('near', store, network)
    const opened = await Promise.all([link.openModern('2026-07-28'), link.probeModern(), link.openModern('2026-07-28')])
    expect([opens, opened[0].ok && opened[2].ok && opened[0].value === opened[2].value]).toEqual([1, true])
    await link.close()
    await expect.poll(() => open).toBe(0)
  })

  it('is waited for for 6 s where its replica lives and cannot be reached, and not started elsewhere', async () => {
    const [store, network, own] = [createLeaseStore(clock), createPeerNetwork(), createManualClock()]
    await store.acquire('singleton:files', 'far', 60_000)
    const { link, started } = replica('near', store, network, own)
    let answer: unknown
    void link.openModern('2026-07-28').then((opened) => (answer = opened))
    const pass = async (ms: number): Promise<void> => {
      for (let passedMs = 0; passedMs < ms; passedMs += 50) {
        own.advance(50)
        for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve))
      }
    }
    await pass(5_900)
    expect(answer).toBe(undefined)
    await pass(1_000)
    expect(answer).toEqual({ ok: false, fault: { reason: 'unreachable', detail: 'the replica that runs it cannot be reached', retryAfterSec: 1 } })
    expect(started).toHaveLength(0)
    await link.close()
  })
})
