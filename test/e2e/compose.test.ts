/**
 * deploy/compose as Compose would start it, but each service as a process: the commands, environment, files, secrets and health checks are those of the
 * file.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import { containerOf, makeImage, place, until } from '../container.ts'
import type { Container } from '../container.ts'
import { fencesOf, readDocument } from '../document.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { httpTransport } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findNats } from '../services/nats.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'
import { startNginx } from '../services/start-nginx.ts'
import type { RunningNginx } from '../services/start-nginx.ts'

const postgres = await findPostgres()
const nats = await findNats()
const nginx = await findNginx()
const SIMPLE = 'This is a simple text response for testing.'
const HOW_TO = fencesOf(readDocument('docs/how-to/run-replicas.md'))

function placeFile(from: string, to: string, table: Readonly<Record<string, string>>): void {
  writeFileSync(to, place(readFileSync(from, 'utf8'), table))
}

describe.skipIf(postgres === undefined || nats === undefined || nginx === undefined)('deploy/compose', () => {
  let folder = ''
  const { services } = parse(readDocument('deploy/compose/compose.yaml'), { merge: true })
  const [, ...check]: string[] = services['portolan-1'].healthcheck.test
  const isHealthy = (container: Container | undefined): boolean => container?.run(check) === 0
  const containers: Container[] = []
  let balancer: RunningNginx | undefined
  let at = { url: '', token: '' }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-compose-'))
    const compose = join(folder, 'deploy/compose')
    cpSync(fileURLToPath(new URL('../../deploy', import.meta.url)), join(folder, 'deploy'), { recursive: true })
    const secrets = HOW_TO.find(({ text }) => text.includes('openssl rand'))?.text ?? ''
    execFileSync('sh', ['-ec', secrets], { cwd: folder })
    const database = new URL((await postgres?.newDatabase()) ?? '')
    placeFile(join(compose, 'secrets/database-url'), join(compose, 'secrets/database-url'), { '@postgres:5432/portolan': `@${database.host}${database.pathname}` })
    const names = Object.keys(services).filter((name) => name.startsWith('portolan'))
    const port = await freePort()
    const image = makeImage(folder)
    const upstream: Record<string, string> = {}
    for (const name of names) {
      const own = await freePort()
      const { command, environment } = services[name]
      const table = {
        '/run/secrets/': `${compose}/secrets/`, '/etc/portolan/': `${folder}/${name}/`, 'nats:4222': `${nats?.host}:${nats?.port}`,
        '0.0.0.0:7401': `127.0.0.1:${await freePort()}`, '127.0.0.1:7400': `127.0.0.1:${own}`,
      }
      containers.push(containerOf({ command, environment, table, data: join(folder, name, 'data'), image }))
      const config = parse(place(readDocument('deploy/compose/config/portolan.json'), { '"0.0.0.0"': '"127.0.0.1"', '7400': String(own), 'localhost:8080': `localhost:${port}`, '172.30.74.0/24': '127.0.0.1' }))
      writeFileSync(join(folder, name, 'portolan.json'), JSON.stringify({ ...config, mcpServers: { reference: REFERENCE_SERVER_COMMAND } }))
      upstream[`${name}:7400`] = `127.0.0.1:${own}`
    }
    for (const container of containers) container.start()
    await until(() => containers.every((container) => isHealthy(container)), () => containers.map(({ log }) => log()).join('\n'))
    balancer = startNginx(folder, place(readFileSync(join(compose, 'nginx.conf'), 'utf8'), { ...upstream, 'listen 8080': `listen 127.0.0.1:${port}` }))
    at = { url: `http://localhost:${port}`, token: readFileSync(join(compose, 'secrets/token'), 'utf8').trim() }
    await until(() => fetch(`${at.url}/readyz`).then(({ ok }) => ok, () => false), () => 'nginx reaches no replica')
  }, 60_000)

  afterAll(async () => {
    await balancer?.stop()
    for (const container of containers) await container.end('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })

  it('serves clients of both eras at both replicas, which hear each other over NATS, and lets nobody in without the token', async () => {
    const modern = await modernClient(modernHttp(at, '/mcp'))
    const legacy = await legacyClient(httpTransport(at, '/mcp'))
    for (const client of [modern, legacy]) for (let call = 0; call < 6; call += 1) expect((await client.call('reference__test_simple_text')).text).toBe(SIMPLE)
    for (const container of containers) await expect.poll(() => container.status(), { timeout: 10_000 }).toMatchObject({ state: 'ready', replica: { hints: { wire: 'nats', isUp: true } } })
    await Promise.all([modern.close(), legacy.close()])
    await expect(modernClient(modernHttp({ ...at, token: 'another' }, '/mcp'))).rejects.toThrow()
  })

  it('goes on when a container is killed, as the page says, and a container that is told to end is given what it needs', async () => {
    const clients = [await modernClient(modernHttp(at, '/mcp')), await legacyClient(httpTransport(at, '/mcp'))]
    const calls = (): Promise<string[]> => Promise.all(clients.map((client) => client.call('reference__test_simple_text').then(({ text }) => text, String)))
    expect(await calls()).toEqual([SIMPLE, SIMPLE])
    const [first, second] = containers
    await first?.end('SIGKILL')
    await expect.poll(calls, { timeout: 10_000 }).toEqual([SIMPLE, SIMPLE])
    first?.start()
    await expect.poll(() => isHealthy(first), { timeout: 30_000, interval: 200 }).toBe(true)
    expect(await second?.end('SIGTERM')).toBe(0)
    await expect.poll(calls, { timeout: 10_000 }).toEqual([SIMPLE, SIMPLE])
    expect(isHealthy(second)).toBe(false)
    for (const client of clients) await client.close()
  })
})
