/** A client that never comes back leaves no session at an HTTP server, whatever became of the replica that served it (decision 0023). */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { createKeyring } from '../src/adapters/node/keyring.ts'
import { createEventStore } from '../src/adapters/sql/event-store.ts'
import { createSessionStore } from '../src/adapters/sql/session-store.ts'
import { openSqlite } from '../src/adapters/sqlite/database.ts'
import type { GatewayDeps } from '../src/core/gateway/context.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { SessionStore } from '../src/core/session/session-store.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import { clientOf, kept, lastOf, newStore, phaseIs } from './adopted-task-rig.ts'
import { closeAfter, openRig } from './gateway-rig.ts'
import type { OpenRig, RigOptions } from './gateway-rig.ts'
import { legacy, openSession } from './mcp-client.ts'
import { createPassingClock } from './passing-clock.ts'
import type { PassingClock } from './passing-clock.ts'
import { INPUT, done, resultOf } from './task-rig.ts'

const ECHO = { name: 'actor__echo', arguments: { text: 'hello' } }
/** Longer than any row of a session lives that is not used. */
const EXPIRED_MS = 2 * DEFAULT_LIMITS.sessionIdleMs
const OTHER_KEY = { secret: new Uint8Array(32).fill(9), active: true }
const FORMER_KEY = { secret: new Uint8Array(32).fill(7), active: false }

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Place {
  readonly clock: PassingClock
  readonly sessions: SessionStore
  start(options?: RigOptions): Promise<OpenRig>
  /** How many rows there are, expired or not. */
  rows(): Promise<unknown>
}

/** Processes after each other over one data folder. */
function place(actor: Pick<Actor, 'url'>): Place {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-left-'))
  const clock = createPassingClock()
  const databases = openSqlite({ folder, nowMs: clock.nowMs })
  closers.push(() => rmSync(folder, { recursive: true, force: true }), () => databases.close())
  const stores = { sessions: createSessionStore(databases.cache), keptEvents: createEventStore(databases.cache) }
  return {
    clock,
    sessions: stores.sessions,
    rows: async () => (await databases.cache.read('SELECT COUNT(*) AS sessions FROM portolan_session', []))[0]?.['sessions'],
    start: (options = {}) => openRig({ servers: { actor: http(actor.url) }, ...options, deps: { clock, ...stores, ...options.deps } }),
  }
}

/** The session ids at the server of the calls that came, in their order. */
const used = ({ requests }: Pick<Actor, 'requests'>): string[] => requests.filter(({ json }) => json.method === 'tools/call').map(({ headers }) => String(headers['mcp-session-id']))

/** How often the server was told that a client's session ends there; those that Portolan has for itself it may end as it likes. */
const ended = (actor: Pick<Actor, 'requests'>): string[] => {
  const ids = used(actor)
  return actor.requests.filter(({ method }) => method === 'DELETE').map(({ headers }) => String(headers['mcp-session-id'])).filter((id) => ids.includes(id))
}

/** What a client leaves behind that had one session, in a process that has ended. */
async function leave(scene: Place, people: readonly string[] = ['alice'], options: RigOptions = {}): Promise<void> {
  const rig = await scene.start(options)
  for (const token of people) {
    const session = await openSession(rig.port, { token })
    expect((await legacy(rig.port, session, 'tools/call', ECHO, { token })).status).toBe(200)
  }
  await rig.close()
  expect(await scene.rows()).toBe(people.length)
}

/** The next process, after the rows have expired, and once it has taken them. */
async function comeBack(scene: Place, options: RigOptions = {}): Promise<OpenRig> {
  scene.clock.pass(EXPIRED_MS)
  const rig = closeAfter(await scene.start(options))
  scene.clock.pass(60_000)
  await expect.poll(scene.rows, { timeout: 20_000 }).toBe(0)
  return rig
}

describe('a session at an HTTP server that nobody comes back to', () => {
  it('is ended once by the next process, where it expired while nothing ran', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene)
    await comeBack(scene)
    await until(() => ended(actor).length > 0)
    expect(ended(actor)).toEqual(used(actor))
  })

  it('is ended, too, where it was begun in the moment in which its process ended', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    const { sessions } = scene
    await leave(scene, ['alice'], { deps: { sessions: { ...sessions, save: (...args) => sleep(50).then(() => sessions.save(...args)) } } })
    await comeBack(scene)
    await until(() => ended(actor).length > 0)
    expect(ended(actor)).toEqual(used(actor))
  })

  it('stays while its client may come back, and goes on with it', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene)
    const rig = await scene.start()
    const session = await openSession(rig.port)
    await legacy(rig.port, session, 'tools/call', ECHO)
    await rig.close()
    scene.clock.pass(DEFAULT_LIMITS.sessionIdleMs - 60_000)
    const next = closeAfter(await scene.start())
    expect((await legacy(next.port, session, 'tools/call', ECHO)).status).toBe(200)
    scene.clock.pass(DEFAULT_LIMITS.sessionIdleMs - 60_000)
    // The other's has expired by now, and is ended; this one's is not.
    await until(() => ended(actor).length === 1)
    expect((await legacy(next.port, session, 'tools/call', ECHO)).status).toBe(200)
    const [left, ...kept] = used(actor)
    expect([ended(actor), new Set(kept).size, actor.sessions.has(kept.at(-1) ?? '')]).toEqual([[left], 1, true])
  })

  it('is ended by whoever has its key still, though another one seals by now', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene)
    await comeBack(scene, { deps: { keyring: createKeyring([OTHER_KEY, FORMER_KEY]) } })
    await until(() => ended(actor).length === 1)
  })

  it('is forgotten where its key is gone', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene)
    const { events } = await comeBack(scene, { deps: { keyring: createKeyring([OTHER_KEY]) } })
    expect([used(actor).length, ended(actor), events.filter(({ event }) => event === 'sessions_left_at_server')]).toEqual([1, [], []])
  })

  it('is ended with its owner\'s credential, and another owner\'s that cannot be had keeps nobody\'s from it', async () => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene, ['alice', 'bob'])
    const headersFor: GatewayDeps['credentials']['headersFor'] = ({ ownerKey }) => (ownerKey === 'owner bob' ? Promise.reject(new Error('revoked')) : [['x-owner', ownerKey]])
    const { events } = await comeBack(scene, { deps: { credentials: { headersFor } } })
    await until(() => ended(actor).length === 1)
    await until(() => events.some(({ event }) => event === 'sessions_left_at_server'))
    const [atAlice] = used(actor)
    expect(ended(actor)).toEqual([atAlice])
    expect(actor.requests.find(({ method, headers }) => method === 'DELETE' && headers['mcp-session-id'] === atAlice)?.headers['x-owner']).toBe('owner alice')
    expect(events.find(({ event }) => event === 'sessions_left_at_server')).toEqual({ level: 'warn', event: 'sessions_left_at_server', fields: { upstream: 'actor', sessions: 1 } })
  })

  it.each([
    ['is not configured any more', (): RigOptions => ({ servers: {} })],
    ['has another address', ({ url }: Actor): RigOptions => ({ servers: { actor: http(`${url}/moved`) } })],
  ])('is forgotten where its server %s', async (_what, options) => {
    const actor = closeAfter(await startActor(['legacy'], {}))
    const scene = place(actor)
    await leave(scene)
    await (await comeBack(scene, options(actor))).settled()
    expect([used(actor).length, ended(actor)]).toEqual([1, []])
  })

  it('stays for the task that may go on in it', async () => {
    const actor = closeAfter(await startLegacyTasks())
    const scene = place(actor)
    const path = '/actor/mcp'
    const rig = await scene.start({ server: { era: 'legacy' } })
    const session = await openSession(rig.port, { path, capabilities: INPUT })
    expect(resultOf(await legacy(rig.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path }))).toHaveProperty('task')
    await rig.close()
    await comeBack(scene, { server: { era: 'legacy' } })
    expect([used(actor).length, ended(actor)]).toEqual([1, []])
  })

  it.each([['stays', 'goes on', false], ['is ended', 'is over', true]])('%s where a task in it that Portolan keeps %s', async (_what, _state, isOver) => {
    const actor = closeAfter(await startLegacyTasks())
    const scene = place(actor)
    const store = newStore()
    const rig = await scene.start(kept(store, actor))
    const client = await clientOf('legacy', rig)
    await client.call()
    if (isOver) lastOf(actor).end('completed', { result: done })
    if (isOver) await phaseIs(store, 'completed')
    await rig.close()
    await (await comeBack(scene, kept(store, actor))).settled()
    if (isOver) await until(() => ended(actor).length === 1)
    expect([used(actor).length, ended(actor).length]).toEqual([1, isOver ? 1 : 0])
  })
})
