/** The official suite through nginx, round robin, over three replicas on PostgreSQL: it must not see more than one server. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startCluster } from '../cluster.ts'
import type { Cluster } from '../cluster.ts'
import { OFFICIAL_SERVER_BARS, runOfficialServerSuite } from '../official-suite.ts'
import { startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { findNats } from '../services/nats.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'

const postgres = await findPostgres()
const nginx = await findNginx()
const nats = await findNats()

const hints: [string, readonly string[]][] = [['LISTEN and NOTIFY', []]]
if (nats !== undefined) hints.push(['NATS', ['--nats-url', `nats://${nats.host}:${nats.port}`]])

/**
 * What a client misses that does not listen anew when the replica that it listened to has left and closed its stream: this suite does not
 * (docs/explanation/replicas.md). Each is a SHOULD of the server.
 */
const WHILE_LISTENERS_MOVE = ['sep-2575-server-sends-prompts-list-changed-on-subscription', 'sep-2575-server-sends-tools-list-changed-on-subscription']

describe.skipIf(postgres === undefined || nginx === undefined).each(hints)('the official server suite through three replicas with hints over %s', (_wire, wireArgs) => {
  let server: ReferenceServerProcess
  let cluster: Cluster
  let outDir: string

  beforeAll(async () => {
    server = await startReferenceServer()
    const databaseUrl = (await postgres?.newDatabase()) ?? ''
    // The suite can send no token.
    cluster = await startCluster({ databaseUrl, config: { mcpServers: { http: { type: 'http', url: server.url } } }, args: ['--auth', 'none', ...wireArgs] })
    outDir = await mkdtemp(join(tmpdir(), 'portolan-official-suite-'))
  }, 90_000)

  afterAll(async () => {
    await cluster?.close()
    await server?.stop()
    if (outDir !== undefined) await rm(outDir, { recursive: true })
  }, 30_000)

  it.each(OFFICIAL_SERVER_BARS)('passes $passed checks at $revision, none failed', { timeout: 200_000 }, async ({ args, passed }) => {
    const result = await runOfficialServerSuite({ url: `${cluster.url}/http/mcp`, args, outDir })
    expect(result, result.complaints.join('\n')).toMatchObject({ passed, failed: 0 })
  })

  it.each(OFFICIAL_SERVER_BARS)('passes them at $revision while the replicas restart one after the other', { timeout: 200_000 }, async ({ args, passed }) => {
    let isDone = false
    const restarting = restartEach(cluster.members).finally(() => (isDone = true))
    try {
      while (!isDone) {
        const result = await runOfficialServerSuite({ url: `${cluster.url}/http/mcp`, args, outDir })
        expect(result, result.complaints.join('\n')).toMatchObject({ passed: passed - result.warned.length, failed: 0 })
        expect(WHILE_LISTENERS_MOVE, result.complaints.join('\n')).toEqual(expect.arrayContaining([...result.warned]))
      }
    } finally {
      await restarting
    }
  })
})

async function restartEach(members: Cluster['members']): Promise<void> {
  for (const member of members) {
    expect(await member.end('SIGTERM')).toBe(0)
    await member.start()
  }
}
