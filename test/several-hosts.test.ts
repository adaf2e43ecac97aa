/** One database of several hosts: a primary, and a standby that is promoted when the primary is gone. */
import { afterEach, describe, expect, it } from 'vitest'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { openPostgres } from '../src/adapters/postgres/database.ts'
import { createPostgresHints } from '../src/adapters/postgres/hints.ts'
import { inspectPostgres } from '../src/adapters/postgres/inspect.ts'
import type { WiredHints } from '../src/core/event/hint-wire.ts'
import { startNetwork } from './services/network.ts'
import type { Network } from './services/network.ts'
import { findPostgres } from './services/postgres.ts'
import { startStandby } from './services/start-standby.ts'
import type { Standby } from './services/start-standby.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

interface Pair {
  readonly standby: Standby
  /** To the primary. */
  readonly network: Network
  /** The standby first: it is passed over until it is promoted. */
  readonly url: string
}

async function startPair(): Promise<Pair> {
  const standby = await startStandby()
  closers.push(() => standby.stop())
  const { username, port } = new URL(standby.url)
  const network = await startNetwork(Number(port))
  closers.push(() => network.close())
  return { standby, network, url: `postgres://${username}@127.0.0.1:${standby.port},127.0.0.1:${network.port}/postgres?target_session_attrs=read-write` }
}

function openHints(url: string): WiredHints {
  const hints = createPostgresHints({ clock: createSystemClock(), random: createSystemRandom(), telemetry: createMemoryTelemetry(), url })
  closers.push(() => hints.close())
  return hints
}

const postgres = await findPostgres()
describe.skipIf(postgres === undefined)('a database URL of several hosts', () => {
  it('leads to the one that writes, state and hints, and within 5 s a call to the one that is promoted', { timeout: 60_000 }, async () => {
    const { standby, network, url } = await startPair()
    const { durable, name, close } = await openPostgres({ url })
    closers.push(close)
    expect(name).toBe(`PostgreSQL 127.0.0.1:${standby.port},127.0.0.1:${network.port}/postgres`)
    const hints = [openHints(url), openHints(url)]
    const heard: string[] = []
    hints[1]?.subscribe('topic', ({ revision }) => void heard.push(revision))
    await expect.poll(() => hints.every((one) => one.state().isUp)).toBe(true)
    expect(await inspectPostgres(url)).toMatchObject({ isReadOnly: false })
    await durable.write("INSERT INTO portolan_once (name) VALUES ('before')", [])

    // The machine of the primary is gone: nothing says so.
    network.silence()
    let isPromoted = false
    let longestMs = 0
    let done = 0
    const calls = Array.from({ length: 4 }, async (_, caller) => {
      for (let round = 0; done < 20; round += 1) {
        const startedAtMs = performance.now()
        const isWritten = await durable.write('INSERT INTO portolan_once (name) VALUES ($1)', [`${caller}-${round}`]).then(() => true, () => false)
        longestMs = Math.max(longestMs, performance.now() - startedAtMs)
        if (isWritten) done += 1
        expect(isWritten && !isPromoted, 'nothing is taken by a standby').toBe(false)
      }
    })
    await expect.poll(() => durable.read('SELECT 1', []).then(() => '', (error: unknown) => (error instanceof Error ? String(error.cause) : ''))).toMatch(/127\.0\.0\.1:\d+: it only reads: a standby/)
    isPromoted = true
    await standby.promote()
    await Promise.all(calls)
    // 4.5 s, and what a busy machine adds.
    expect(longestMs).toBeLessThan(6_000)
    expect(await durable.read("SELECT name FROM portolan_once WHERE name = 'before'", [])).toEqual([{ name: 'before' }])
    await expect.poll(() => hints.every((one) => one.state().isUp)).toBe(true)
    await expect.poll(() => (hints[0]?.publish({ topic: 'topic', revision: 'after' }), heard)).toContain('after')
  })

  it('says of each host why it is not used', { timeout: 60_000 }, async () => {
    const { standby, network, url } = await startPair()
    network.cut()
    // It may have begun to listen only just now.
    await expect.poll(() => inspectPostgres(url).catch(() => undefined)).toMatchObject({ isReadOnly: true })
    await expect(openPostgres({ url, openWithinMs: 0 })).rejects.toThrow(new RegExp(`Cannot use the database PostgreSQL .*127\\.0\\.0\\.1:${standby.port}: it only reads: .*; 127\\.0\\.0\\.1:${network.port}: `))
  })
})
