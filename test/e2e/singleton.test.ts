/** One child for three processes over one PostgreSQL: whatever becomes of its replica, it goes on elsewhere, and there are never two. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LEASE_MS } from '../../src/core/replica/tenure.ts'
import { startCluster } from '../cluster.ts'
import type { Cluster, Member } from '../cluster.ts'
import { loneServer } from '../lone-server.ts'
import type { LoneServer } from '../lone-server.ts'
import { callModern } from '../portolan-process.ts'
import { startNetwork } from '../services/network.ts'
import type { Network } from '../services/network.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()

describe.skipIf(postgres === undefined || process.platform !== 'linux')('a server of which there is one for three processes', () => {
  let cluster: Cluster
  let lone: LoneServer
  let network: Network

  beforeAll(async () => {
    lone = loneServer('modern')
    network = await startNetwork(postgres?.port ?? 0)
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.port = String(network.port)
    const { command, args, env } = lone.server
    cluster = await startCluster({
      databaseUrl: url.href,
      hasBalancer: false,
      config: { mcpServers: { lone: { command, args, env } }, portolan: { version: 1, servers: { lone: { era: 'modern', placement: 'singleton' } } } },
    })
  }, 90_000)

  afterAll(async () => {
    await cluster?.close()
    await network?.close()
    await lone?.close()
  }, 30_000)

  const ask = (member: Member, name: string, given: object = {}) => callModern(`${member.url}/lone/mcp`, cluster.token, 'tools/call', { name, arguments: given })
  /** The child's process, once somebody serves it. */
  const pidThrough = async (member: Member): Promise<number> => {
    let pid = 0
    await expect.poll(async () => (pid = pidOf(await ask(member, 'who'))), { timeout: 20_000, interval: 50 }).toBeGreaterThan(0)
    return pid
  }
  const holderOf = (pid: number): Member => {
    for (let at = pid; at > 1; at = parentOf(at)) {
      const found = cluster.members.find((member) => member.pid() === at)
      if (found !== undefined) return found
    }
    throw new Error('nobody runs it')
  }

  it.each<[how: string, disturb: (holder: Member) => Promise<unknown>, restore: (holder: Member) => Promise<unknown>]>([
    ['killed', async (holder) => holder.end('SIGKILL'), (holder) => holder.start()],
    ['stopped for longer than its lease, and goes on', async (holder) => holder.kill('SIGSTOP'), async (holder) => holder.kill('SIGCONT')],
    ['told to end', async (holder) => void holder.end('SIGTERM'), async (holder) => (await holder.end('SIGTERM'), holder.start())],
  ])('goes on at another one when its own is %s', { timeout: 90_000 }, async (_how, disturb, restore) => {
    const [first] = cluster.members as [Member]
    const pid = await pidThrough(first)
    const holder = holderOf(pid)
    const other = cluster.members.find((member) => member !== holder) as Member
    const inFlight = ask(other, 'slow', { ms: 500 })
    const sinceMs = performance.now()
    await disturb(holder)
    const next = await pidThrough(other)
    const tookMs = performance.now() - sinceMs
    expect([next === pid, holderOf(next) === holder]).toEqual([false, false])
    expect(tookMs, 'a lease, and the start of a child on a busy machine').toBeLessThan(LEASE_MS + 8_000)
    // It finished, or its client was told that nobody knows.
    const { body } = await inFlight
    expect(pidOf({ body }) > 0 || isUnknown(body)).toBe(true)
    await restore(holder)
    expect(await pidThrough(holder)).toBe(next)
    expect(lone.overlaps()).toEqual([])
  })

  it('ends where the database is away, and comes back with it, once', { timeout: 90_000 }, async () => {
    const pid = await pidThrough(cluster.members[0] as Member)
    network.silence()
    await expect.poll(() => isAlive(pid), { timeout: LEASE_MS + 5_000 }).toBe(false)
    const refused = await ask(cluster.members[1] as Member, 'who')
    expect([refused.status, pidOf(refused)]).toEqual([503, 0])
    network.heal()
    const all = await Promise.all(cluster.members.map((member) => pidThrough(member)))
    expect(new Set(all).size).toBe(1)
    expect(lone.overlaps()).toEqual([])
  })
})

function pidOf({ body }: { readonly body: unknown }): number {
  const { result } = (body ?? {}) as { readonly result?: { readonly content?: readonly { readonly text: string }[] } }
  return Number(result?.content?.[0]?.text ?? 0)
}

function isUnknown(body: unknown): boolean {
  return (body as { readonly error?: { readonly code?: number } }).error?.code === -31024
}

function parentOf(pid: number): number {
  return Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
}

/** One that nobody has waited for is not. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
