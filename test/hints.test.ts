/** Hints over real services. */
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, nkeys } from '@nats-io/transport-node'
import { Client } from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { createMemoryTelemetry } from '../src/adapters/memory/telemetry.ts'
import { createNatsHints } from '../src/adapters/nats/hints.ts'
import { parseNatsUrl } from '../src/adapters/nats/nats-target.ts'
import type { NatsTarget } from '../src/adapters/nats/nats-target.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { createSystemRandom } from '../src/adapters/node/random.ts'
import { createPostgresHints } from '../src/adapters/postgres/hints.ts'
import type { WiredHints } from '../src/core/event/hint-wire.ts'
import { MISSED } from '../src/core/event/hints.ts'
import { testHints } from './contracts/hints.contract.ts'
import type { HintsRig } from './contracts/hints.contract.ts'
import { freePort } from './services/free-port.ts'
import { findNats } from './services/nats.ts'
import { findPostgres } from './services/postgres.ts'
import { startNats } from './services/start-nats.ts'
import { openTcpProxy } from './tcp-proxy.ts'
import type { TcpProxy } from './tcp-proxy.ts'

const postgres = await findPostgres()
const nats = await findNats()

const deps = () => ({ clock: createSystemClock(), random: createSystemRandom(), telemetry: createMemoryTelemetry() })

/** Both ends behind one proxy, and connected. */
async function rigOver(proxy: TcpProxy, open: (onChange: (isUp: boolean) => void) => WiredHints, inject: (text: string) => Promise<void>, close: () => Promise<void>): Promise<HintsRig> {
  const both: WiredHints[] = []
  await Promise.all(Array.from({ length: 2 }, () => new Promise<void>((resolve) => both.push(open((isUp) => isUp && resolve())))))
  const [near, far] = both
  if (near === undefined || far === undefined) throw new TypeError('two are opened')
  return {
    near, far, wire: { cut: proxy.cut, freeze: proxy.freeze, thaw: proxy.thaw, inject, isNoticed: () => !both.some((one) => one.state().isUp) },
    async close() {
      proxy.close()
      await Promise.all([near.close(), far.close(), close()])
    },
  }
}

describe.skipIf(postgres === undefined)('over PostgreSQL', () => {
  testHints('PostgreSQL', async () => {
    if (postgres === undefined) throw new TypeError('left out')
    const direct = await postgres.newDatabase()
    const proxy = await openTcpProxy(postgres)
    const url = new URL(direct)
    url.port = String(proxy.port)
    const other = new Client({ connectionString: direct })
    await other.connect()
    const open = (onChange: (isUp: boolean) => void): WiredHints => createPostgresHints({ ...deps(), url: url.href, checkMs: 1_500, onChange })
    return rigOver(proxy, open, async (text) => void (await other.query('SELECT pg_notify($1, $2)', ['portolan_hints', text])), () => other.end())
  }, true)

  it('are closed within moments though their connection has fallen silent', { timeout: 10_000 }, async () => {
    if (postgres === undefined) throw new TypeError('left out')
    const proxy = await openTcpProxy(postgres)
    const url = new URL(await postgres.newDatabase())
    url.port = String(proxy.port)
    const hints = createPostgresHints({ ...deps(), url: url.href, checkMs: 60_000 })
    await expect.poll(() => hints.state().isUp).toBe(true)
    proxy.freeze()
    await hints.close()
    proxy.close()
  })
})

describe.skipIf(postgres === undefined)('a PostgreSQL', () => {
  const stops: (() => unknown)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })
  const open = (url: string): { hints: WiredHints; changes: string[] } => {
    const changes: string[] = []
    const hints = createPostgresHints({ ...deps(), url, checkMs: 800, onChange: (isUp, detail) => void changes.push(`${isUp} ${detail}`) })
    stops.push(() => hints.close())
    return { hints, changes }
  }

  it('that falls silent is not taken for a pooler', async () => {
    if (postgres === undefined) throw new TypeError('left out')
    const proxy = await openTcpProxy(postgres)
    stops.push(() => proxy.close())
    const url = new URL(await postgres.newDatabase())
    url.port = String(proxy.port)
    const { hints, changes } = open(url.href)
    await expect.poll(() => hints.state().isUp).toBe(true)
    proxy.freeze()
    await expect.poll(() => changes.at(-1), { timeout: 10_000 }).toMatch(/^false (?:nothing comes from the database any more|Query read timeout)$/)
  })

  it('whose certificate cannot be read yet is tried again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-hints-'))
    stops.push(() => rmSync(folder, { recursive: true }))
    const authority = join(folder, 'ca.pem')
    const url = new URL((await postgres?.newDatabase()) ?? '')
    url.searchParams.set('sslmode', 'disable')
    url.searchParams.set('sslrootcert', authority)
    const { hints, changes } = open(url.href)
    await expect.poll(() => changes).toEqual([expect.stringMatching(/^false ENOENT.*ca\.pem/)])
    writeFileSync(authority, '')
    await expect.poll(() => hints.state().isUp, { timeout: 10_000 }).toBe(true)
  })
})

describe.skipIf(nats === undefined)('over NATS', () => {
  testHints('NATS', async () => {
    if (nats === undefined) throw new TypeError('left out')
    const proxy = await openTcpProxy(nats)
    const subjectPrefix = `t${randomBytes(6).toString('hex')}`
    const other = await connect({ servers: `${nats.host}:${nats.port}` })
    const target = { servers: [`127.0.0.1:${proxy.port}`] }
    const open = (onChange: (isUp: boolean) => void): WiredHints => createNatsHints({ ...deps(), target, subjectPrefix, pingMs: 500, onChange })
    const inject = async (text: string): Promise<void> => {
      other.publish(`${subjectPrefix}.hints`, Buffer.from(text, 'latin1'))
      await other.flush()
    }
    return rigOver(proxy, open, inject, () => other.close())
  }, true)
})

describe.skipIf(nats === undefined)('a NATS that asks who comes', () => {
  const stops: (() => unknown)[] = []
  afterEach(async () => {
    for (const stop of stops.splice(0)) await stop()
  })
  const start = async (args: readonly string[], port?: number): Promise<string> => {
    const server = await startNats(args, port)
    stops.push(() => server.stop?.())
    return 'facts' in server ? `127.0.0.1:${server.facts['port']}` : ''
  }
  const open = (url: string, more: Partial<NatsTarget> = {}): { hints: WiredHints; changes: string[] } => {
    const changes: string[] = []
    const target = parseNatsUrl(url)
    if (target === undefined) throw new TypeError(url)
    const hints = createNatsHints({ ...deps(), target: { ...target, ...more }, onChange: (isUp, detail) => void changes.push(`${isUp} ${detail}`) })
    stops.unshift(() => hints.close())
    return { hints, changes }
  }

  it('lets in whoever has the password, and tells the others so without showing theirs', async () => {
    const server = await start(['--user', 'alice', '--pass', 'right'])
    const [friend, stranger] = [open(`nats://alice:right@${server}`), open(`nats://alice:wr0ng@${server}`)]
    await expect.poll(() => friend.hints.state().isUp).toBe(true)
    await expect.poll(() => stranger.changes.length).toBe(1)
    expect(stranger.hints.state().isUp).toBe(false)
    expect(JSON.stringify([stranger.changes, stranger.hints.state()])).toMatch(/authoriz/i)
    expect(JSON.stringify([stranger.changes, stranger.hints.state()])).not.toContain('wr0ng')
  })

  it('is spoken to by TLS where that is asked for, and only if its certificate is good', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-nats-tls-'))
    const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
    const names = ['-subj', '/CN=nats', '-addext', 'subjectAltName=DNS:localhost']
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert, '-days', '2', ...names], { stdio: 'ignore' })
    // Its client compares certificates with names, not with addresses.
    const server = (await start(['--tls', '--tlscert', cert, '--tlskey', key])).replace('127.0.0.1', 'localhost')
    const trusting = open(`tls://${server}`, { tls: { ca: readFileSync(cert, 'utf8') } })
    const careful = open(`tls://${server}`)
    await expect.poll(() => trusting.hints.state().isUp).toBe(true)
    await expect.poll(() => careful.changes.length).toBe(1)
    expect(careful.hints.state().isUp).toBe(false)
    rmSync(folder, { recursive: true })
  })

  it('takes a token, the seed of an nkey, and a .creds file', async () => {
    const [operator, account, user] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createUser()]
    const folder = mkdtempSync(join(tmpdir(), 'portolan-nats-creds-'))
    stops.push(() => rmSync(folder, { recursive: true }))
    const file = (name: string, text: string): string => {
      writeFileSync(join(folder, name), text)
      return join(folder, name)
    }
    const seed = Buffer.from(user.getSeed()).toString()
    const trusted = jwt(operator, operator, { type: 'operator' })
    const accounts = `{ ${account.getPublicKey()}: ${jwt(operator, account, { type: 'account', limits: { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 } })} }`
    const creds = `-----BEGIN NATS USER JWT-----\n${jwt(account, user, { type: 'user', subs: -1, data: -1, payload: -1 })}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\n${seed}\n------END USER NKEY SEED------`
    const byToken = open(`nats://s3cret@${await start(['--auth', 's3cret'])}`)
    const nkeyServer = await start(['-c', file('nkey.conf', `authorization { users = [ { nkey: ${user.getPublicKey()} } ] }`)])
    const credsServer = await start(['-c', file('creds.conf', `operator: ${trusted}\nresolver: MEMORY\nresolver_preload: ${accounts}`)])
    const guests = [byToken, open(`nats://${nkeyServer}`, { credentials: `${seed}\n` }), open(`nats://${credsServer}`, { credentials: creds })]
    await expect.poll(() => guests.map(({ hints, changes }) => [hints.state().isUp, changes])).toEqual(guests.map(() => [true, ['true connected']]))
    const strangers = [open(`nats://${nkeyServer}`), open(`nats://${credsServer}`, { credentials: seed })]
    await expect.poll(() => strangers.map(({ changes }) => changes.join())).toEqual([expect.stringMatching(/^false .*authoriz/i), expect.stringMatching(/^false .*authoriz/i)])
    expect(JSON.stringify(strangers.map(({ hints, changes }) => [hints.state(), changes]))).not.toContain(seed)
  })

  it('goes on at another server of its cluster when one ends, and tells of the gap', async () => {
    const ports = await Promise.all(Array.from({ length: 4 }, () => freePort()))
    const [one = 0, two = 0, routeOne = 0, routeTwo = 0] = ports
    const cluster = (own: number, other: number): string[] => ['--cluster_name', 'x', '--cluster', `nats://127.0.0.1:${own}`, '--routes', `nats://127.0.0.1:${other}`]
    const first = await startNats(cluster(routeOne, routeTwo), one)
    const near = open(`nats://127.0.0.1:${one},127.0.0.1:${two}`)
    // Of several it takes any: here there is one yet.
    await expect.poll(() => near.hints.state().isUp).toBe(true)
    await start(cluster(routeTwo, routeOne), two)
    const far = open(`nats://127.0.0.1:${two},nats://127.0.0.1:${one}`)
    const got: string[] = []
    const missed: string[] = []
    near.hints.subscribe('other', ({ revision }) => missed.push(revision))
    far.hints.subscribe('a', ({ revision }) => got.push(revision))
    const say = (revision: string) => expect.poll(() => (near.hints.publish({ topic: 'a', revision }), got), { interval: 100, timeout: 10_000 }).toContain(revision)
    await say('1')
    if ('stop' in first) await first.stop?.()
    await say('2')
    expect([near.hints.state().isUp, far.hints.state().isUp]).toEqual([true, true])
    expect(near.changes).toContain('false the connection was lost')
    expect(missed).toContain(MISSED)
  })

  it('may start later than Portolan', async () => {
    const port = await freePort()
    const { hints, changes } = open(`nats://127.0.0.1:${port}`)
    hints.publish({ topic: 'a', revision: 'waits' })
    await expect.poll(() => changes.length).toBe(1)
    await start([], port)
    await expect.poll(() => hints.state().isUp).toBe(true)
  })
})

type KeyPair = ReturnType<typeof nkeys.createUser>

/** As nsc makes them. */
function jwt(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ jti: 'test', iat: Math.floor(Date.now() / 1_000), iss: issuer.getPublicKey(), name: 'test', sub: subject.getPublicKey(), nats: { ...nats, version: 2 } })}`
  return `${text}.${Buffer.from(issuer.sign(new TextEncoder().encode(text))).toString('base64url')}`
}
