/** deploy/kubernetes: two pods of the deployment, each of its containers a process, as their command, environment, map, secret and probes say. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { legacyClient, modernClient, modernHttp } from '../any-client.ts'
import { containerOf, makeImage, place, until } from '../container.ts'
import type { Container } from '../container.ts'
import { readDocument } from '../document.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { httpTransport } from '../sdk1-client.ts'
import { freePort } from '../services/free-port.ts'
import { findNginx } from '../services/nginx.ts'
import { findPostgres } from '../services/postgres.ts'
import { startNginx } from '../services/start-nginx.ts'
import type { RunningNginx } from '../services/start-nginx.ts'

const postgres = await findPostgres()
const nginx = await findNginx()
const SIMPLE = 'This is a simple text response for testing.'
const read = (name: string): any => parse(readDocument(`deploy/kubernetes/${name}.yaml`))
const [main, metrics] = read('deployment').spec.template.spec.containers

interface Pod {
  readonly portolan: Container
  readonly metrics: RunningNginx
  readonly url: string
  readonly metricsUrl: string
}

/** As the kubelet makes it: fields of the pod first, then what refers to them. */
function environmentOf(podIp: string): Record<string, string> {
  const env: Record<string, string> = {}
  for (const { name, value, valueFrom } of main.env) {
    if (valueFrom !== undefined) expect(valueFrom).toEqual({ fieldRef: { fieldPath: 'status.podIP' } })
    env[name] = valueFrom === undefined ? value.replaceAll(/\$\((\w+)\)/g, (_: string, other: string) => env[other]) : podIp
  }
  return env
}

describe.skipIf(postgres === undefined || nginx === undefined)('deploy/kubernetes', () => {
  let folder = ''
  const pods: Pod[] = []
  /** Of whatever has started, also where its pod did not. */
  const ends: (() => Promise<unknown>)[] = []
  const { token } = read('secret.example').stringData

  async function startPod(index: number, image: NodeJS.ProcessEnv): Promise<Pod> {
    const home = join(folder, `pod-${index}`)
    const [port, peerPort, operationsPort, metricsPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
    mkdirSync(join(home, 'config'), { recursive: true })
    const { data } = read('config')
    const config = parse(place(data['portolan.json'], { '"0.0.0.0"': '"127.0.0.1"', '7400': String(port), '7402': String(operationsPort) }))
    writeFileSync(join(home, 'config/portolan.json'), JSON.stringify({ ...config, mcpServers: { reference: REFERENCE_SERVER_COMMAND } }))
    const table = { '/etc/portolan/': `${home}/config/`, '/secrets/': `${folder}/secrets/`, '0.0.0.0:7401': `127.0.0.1:${peerPort}`, '127.0.0.1:7401': `127.0.0.1:${peerPort}` }
    // The image has tini, which passes signals on and reaps.
    const [tini, dashes, ...shell] = main.command
    expect([tini, dashes]).toEqual(['tini', '--'])
    const portolan = containerOf({ command: [...shell, ...main.args], environment: environmentOf('127.0.0.1'), table, data: join(home, 'data'), image })
    portolan.start()
    ends.push(() => portolan.end('SIGKILL'))
    mkdirSync(join(home, 'nginx'))
    const server = place(data['metrics.conf'], { 'listen 9090': `listen 127.0.0.1:${metricsPort}`, '127.0.0.1:7402': `127.0.0.1:${operationsPort}` })
    const front = startNginx(join(home, 'nginx'), `events {}\nhttp {\n${server}\n}\n`)
    ends.push(() => front.stop())
    return { portolan, metrics: front, url: `http://127.0.0.1:${port}`, metricsUrl: `http://127.0.0.1:${metricsPort}` }
  }

  const probe = ({ url }: Pod, name: string): Promise<boolean> => fetch(url + main[name].httpGet.path).then(({ ok }) => ok, () => false)

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-kubernetes-'))
    mkdirSync(join(folder, 'secrets'))
    const given = { ...read('secret.example').stringData, 'database-url': await postgres?.newDatabase() }
    for (const [key, value] of Object.entries(given)) writeFileSync(join(folder, 'secrets', key), String(value))
    const image = makeImage(folder)
    for (const index of [0, 1]) pods.push(await startPod(index, image))
    const isUp = async (pod: Pod): Promise<boolean> => (await Promise.all(['startupProbe', 'livenessProbe', 'readinessProbe'].map((name) => probe(pod, name)))).every(Boolean)
    await until(async () => (await Promise.all(pods.map(isUp))).every(Boolean), () => pods.map(({ portolan }) => portolan.log()).join('\n'))
  }, 60_000)

  afterAll(async () => {
    await Promise.all(ends.map((end) => end()))
    rmSync(folder, { recursive: true, force: true })
  })

  it('lets the token of the secret in at each pod, and serves a session of one at the other', async () => {
    const [first, second] = pods
    for (const { url } of pods) {
      const client = await modernClient(modernHttp({ url, token }, '/mcp'))
      expect((await client.call('reference__test_simple_text')).text).toBe(SIMPLE)
      await client.close()
    }
    const transport = httpTransport({ url: first?.url ?? '', token }, '/mcp')
    const client = await legacyClient(transport)
    const headers = { authorization: `Bearer ${token}`, 'mcp-session-id': transport.sessionId ?? '', 'mcp-protocol-version': client.revision, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const answer = await fetch(`${second?.url}/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 9, method: 'tools/call', params: { name: 'reference__test_simple_text', arguments: {} } }) })
    expect(await answer.text()).toContain(SIMPLE)
    await client.close()
  })

  it('gives out what the autoscaler counts, and nothing else of what operators see', async () => {
    const { name } = read('horizontal-pod-autoscaler').spec.metrics[0].pods.metric
    expect(metrics.ports).toEqual([{ name: 'metrics', containerPort: 9090 }])
    for (const { metricsUrl } of pods) {
      expect(await (await fetch(`${metricsUrl}/metrics`)).text()).toMatch(new RegExp(`^${name} \\d+$`, 'm'))
      for (const path of ['/status', '/reload', '/metrics/../status', '/']) expect((await fetch(metricsUrl + path, { method: path === '/reload' ? 'POST' : 'GET' })).status).toBe(404)
    }
  })

  it('ends with 0 on SIGTERM, and the other pod goes on', async () => {
    const [first, second] = pods
    expect(await first?.portolan.end('SIGTERM')).toBe(0)
    expect(second !== undefined && (await probe(second, 'readinessProbe'))).toBe(true)
  })
})
