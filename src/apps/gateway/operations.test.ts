import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { ControlRoute } from '../../adapters/http/control-route.ts'
import { createLog } from './log.ts'
import type { ConfigModel } from './config-diff.ts'
import { createMetrics } from './metrics.ts'
import { openOperations } from './operations.ts'
import type { Operations } from './operations.ts'
import type { ProcessStatus } from './status.ts'

const status: ProcessStatus = {
  version: '1', pid: 1, startedAtMs: 0, state: 'ready', listening: [], auth: 'token', store: { name: 'SQLite in /data', reachable: true }, replica: null, workers: [], sessions: 0, exchangesInFlight: 0, ledgerLostCount: 0, memoryBytes: 1, servers: [], virtualServers: [],
  config: { source: 'x', digest: 'd', loadedAtMs: 0, refusal: '', elsewhere: '' },
}
const model: ConfigModel = { source: 'x', path: '/x', digest: 'd', salt: 's', servers: [], settings: {} }
const api: ControlRoute = { path: '/api/', open: false, handle: ({ verb, path }, response) => response.answer(200, {}, `${verb} ${path}`) }
const log = createLog({ level: 'silent', human: false, colour: false, write: () => {} })
const source = { status: () => status, metrics: () => 'portolan_up 1\n', config: () => model, api, log }

let folder = ''
let operations: Operations | undefined
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-ops-'))
})
afterEach(async () => {
  await operations?.close()
  operations = undefined
  rmSync(folder, { recursive: true, force: true })
})

function ask(target: object, path: string, options: { method?: string; host?: string } = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const { method = 'GET', host = 'localhost' } = options
    const asked = request({ ...target, path, method, headers: { host } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject).end()
  })
}

describe('the operations listener', () => {
  it('serves status and metrics on a socket that only its owner can open', async () => {
    const socketPath = join(folder, 'o.sock')
    operations = await openOperations([{ socketPath }], source)
    expect((statSync(socketPath).mode & 0o777).toString(8)).toBe('600')
    expect(JSON.parse((await ask({ socketPath }, '/status')).text)).toEqual(status)
    expect(await ask({ socketPath }, '/metrics')).toEqual({ status: 200, text: 'portolan_up 1\n' })
    expect((await ask({ socketPath }, '/other')).status).toBe(404)
    expect((await ask({ socketPath }, '/status', { method: 'POST' })).status).toBe(405)
  })

  it('has the admin API on the socket only: a port of loopback can be reached by any page and any user', async () => {
    const socketPath = join(folder, 'o.sock')
    operations = await openOperations([{ socketPath }, { host: '127.0.0.1', port: 0 }], source)
    const { hostname, port } = new URL(operations.addresses[1] ?? '')
    expect(await ask({ socketPath }, '/api/v1/reload', { method: 'POST' })).toEqual({ status: 200, text: 'POST /api/v1/reload' })
    expect((await ask({ socketPath }, '/api/v1/reload', { method: 'POST', host: 'evil.example' })).status).toBe(403)
    expect((await ask({ hostname, port }, '/api/v1/reload', { method: 'POST' })).status).toBe(405)
    expect((await ask({ hostname, port }, '/api/v1/tasks')).status).toBe(404)
  })

  it('tells the configuration on the socket, and not on a port', async () => {
    const socketPath = join(folder, 'o.sock')
    operations = await openOperations([{ socketPath }, { host: '127.0.0.1', port: 0 }], source)
    expect(JSON.parse((await ask({ socketPath }, '/config')).text)).toEqual(model)
    const { hostname, port } = new URL(operations.addresses[1] ?? '')
    expect((await ask({ hostname, port }, '/config')).status).toBe(404)
  })

  it('refuses a web page\'s name on a port', async () => {
    operations = await openOperations([{ host: '127.0.0.1', port: 0 }], source)
    const { hostname, port } = new URL(operations.addresses[0] ?? '')
    expect((await ask({ hostname, port }, '/status', { host: 'evil.example' })).status).toBe(403)
    expect((await ask({ hostname, port }, '/status', { host: `127.0.0.1:${port}` })).status).toBe(200)
  })

  it('refuses a socket where another process answers, and closes what it had opened', async () => {
    const socketPath = join(folder, 'o.sock')
    operations = await openOperations([{ socketPath }], source)
    await expect(openOperations([{ host: '127.0.0.1', port: 0 }, { socketPath }], source)).rejects.toThrow(/is in use/)
  })
})

describe('metrics', () => {
  it('are written as Prometheus reads them', () => {
    const metrics = createMetrics()
    metrics.count('portolan_exchanges_total', { outcome: 'result' })
    metrics.count('portolan_exchanges_total', { outcome: 'result' }, 2)
    metrics.gauge('portolan_children', { server: 'a"b\\c\nd' }, 3)
    metrics.observeMs('portolan_duration_ms', {}, 3)
    metrics.observeMs('portolan_duration_ms', {}, 100_000)
    const lines = metrics.text().split('\n')
    expect(lines).toContain('# TYPE portolan_exchanges_total counter')
    expect(lines).toContain('portolan_exchanges_total{outcome="result"} 3')
    expect(lines).toContain('portolan_children{server="a\\"b\\\\c\\nd"} 3')
    expect(lines).toContain('portolan_duration_ms_bucket{le="2.5"} 0')
    expect(lines).toContain('portolan_duration_ms_bucket{le="5"} 1')
    expect(lines).toContain('portolan_duration_ms_bucket{le="60000"} 1')
    expect(lines).toContain('portolan_duration_ms_bucket{le="+Inf"} 2')
    expect(lines).toContain('portolan_duration_ms_sum 100003')
  })

  it('forget a gauge when told to, and nothing else', () => {
    const metrics = createMetrics()
    metrics.gauge('portolan_a', { server: 'x' }, 1)
    metrics.gauge('portolan_b', {}, 2)
    metrics.dropGauge('portolan_a')
    expect(metrics.text()).toBe('# TYPE portolan_b gauge\nportolan_b 2\n')
  })

  it('stay bounded whatever labels they are given', () => {
    const metrics = createMetrics()
    for (let index = 0; index < 20_000; index += 1) metrics.count('portolan_x', { id: String(index) })
    const lines = metrics.text().split('\n')
    expect(lines.length).toBeLessThan(10_010)
    expect(lines).toContain('portolan_x{overflow="true"} 10000')
  })
})
