/**
 * Legacy clients that open a session, use it (which opens one of its own at the server), and go without a word: what is
 * left of them is measured after each batch, and how that grows is found. A leak has a slope; noise has none.
 */
import { createManualClock } from '../../src/adapters/memory/clock.ts'
import { createEventBuffer } from '../../src/adapters/memory/event-buffer.ts'
import { createMemoryLedger } from '../../src/adapters/memory/ledger.ts'
import { createSessionStore } from '../../src/adapters/memory/session-store.ts'
import { DEFAULT_LIMITS } from '../../src/core/gateway/snapshot.ts'
import { startActor } from '../fixtures/upstream/actor.ts'
import { http, sleep } from '../fixtures/upstream/support.ts'
import { openRig } from '../gateway-rig.ts'
import { liveHeapBytes } from '../live-memory.ts'
import { legacy, openSession } from '../mcp-client.ts'

export interface Remains {
  /** By session. */
  readonly heapBytesPerSession: number
  readonly socketsPerSession: number
  readonly timersPerSession: number
  /** After the last batch. */
  readonly sessions: number
  readonly upstreamSessions: number
}

/** The first batches fill caches and pools. */
const WARM_BATCHES = 3
const IDLE_MS = 600_000
const END_MS = 60_000

export async function abandonSessions(count: number, batches: number): Promise<Remains> {
  const clock = createManualClock()
  const limits = { ...DEFAULT_LIMITS, sessionIdleMs: IDLE_MS, sessionsPerPrincipal: count }
  const actor = await startActor(['legacy'])
  // The actor's own memory is not what is measured.
  const forget = (): void => void (actor.requests as unknown[]).splice(0)
  const rig = await openRig({ servers: { actor: http(actor.url) }, limits, deps: { clock, ledger: createMemoryLedger(0), sessions: createSessionStore(clock), events: createEventBuffer({ clock, ...limits }) } })
  const points: { heap: number; sockets: number; timers: number }[] = []
  for (let batch = 0; batch < batches + WARM_BATCHES; batch += 1) {
    for (let done = 0; done < count / batches; done += 20) await Promise.all(Array.from({ length: 20 }, () => abandon(rig.port)))
    clock.advance(IDLE_MS + 60_000)
    await ended(() => rig.gateway.status().sessions === 0 && actor.sessions.size === 0)
    forget()
    await standstill()
    const active = process.getActiveResourcesInfo()
    points.push({ heap: liveHeapBytes(), sockets: socketCount(), timers: clock.pendingCount + active.filter((kind) => kind === 'Timeout').length })
  }
  const measured = points.slice(WARM_BATCHES)
  const perSession = (of: (point: (typeof points)[number]) => number): number => slope(measured.map(of)) / (count / batches)
  const remains = {
    heapBytesPerSession: perSession(({ heap }) => heap),
    socketsPerSession: perSession(({ sockets }) => sockets),
    timersPerSession: perSession(({ timers }) => timers),
    sessions: rig.gateway.status().sessions,
    upstreamSessions: actor.sessions.size,
  }
  await rig.close()
  await actor.close()
  return remains
}

const socketCount = (): number => process.getActiveResourcesInfo().filter((kind) => kind.startsWith('TCP')).length

/** Each session is deleted at the server, over a connection: on a busy machine that takes its time. */
async function ended(check: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + END_MS; !check(); await sleep(10)) if (Date.now() > untilMs) throw new Error('sessions are left over')
}

/** The clients' own sockets close a little later. */
async function standstill(): Promise<void> {
  for (let quiet = 0, before = -1; quiet < 3; before = socketCount()) {
    await sleep(50)
    quiet = socketCount() === before ? quiet + 1 : 0
  }
}

async function abandon(port: number): Promise<void> {
  const session = await openSession(port, { path: '/actor/mcp', capabilities: { roots: {} } })
  await legacy(port, session, 'tools/call', { name: 'echo' }, { path: '/actor/mcp' })
}

/** By batch: the middle one of the slopes between all pairs. A single batch that was measured at a bad moment moves it by nothing. */
function slope(values: readonly number[]): number {
  const slopes = values.flatMap((value, index) => values.slice(index + 1).map((later, ahead) => (later - value) / (ahead + 1))).toSorted((a, b) => a - b)
  return slopes[slopes.length >> 1] ?? 0
}
