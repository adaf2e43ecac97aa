/** The admin API of real gateways, by plain HTTP and by the command line from elsewhere. */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RESOURCES } from '../../src/apps/admin/resource-schema.ts'
import { ROUTES } from '../../src/apps/admin/routes.ts'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { messageOf, modern } from '../mcp-client.ts'
import { callModern, runPortolan } from '../portolan-process.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { findPostgres } from '../services/postgres.ts'
import { DECLARED } from '../task-rig.ts'
import { startWorkers } from '../worker-rig.ts'

/** Says on standard error when the framework is loaded. */
const WATCH = `data:text/javascript,${encodeURIComponent("import{registerHooks}from'node:module';registerHooks({resolve(name,context,next){if(name==='hono')process.stderr.write('LOADED hono\\n');return next(name,context)}})")}`

const config = {
  mcpServers: { reference: REFERENCE_SERVER_COMMAND },
  portolan: { version: 1, servers: { reference: { tasks: { test_simple_text: { task: 'always' } } } }, virtualServers: { some: { use: [{ server: 'reference', tools: ['test_simple_*'] }] } } },
}

async function portolan(...args: readonly string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const { exited, stdout, stderr } = runPortolan(args)
  const { code } = await exited
  return { code, stdout: stdout(), stderr: stderr() }
}

let gateway: GatewayProcess
let open: GatewayProcess
let token = ''
beforeAll(async () => {
  ;[gateway, open] = await Promise.all([startGateway({ config, env: { NODE_OPTIONS: `--import="${WATCH}"` } }), startGateway({ config, args: ['--auth', 'none'] })])
})
afterAll(async () => {
  await Promise.all([gateway.stop(), open.stop()])
})

const ask = (path: string, bearer: string, { url }: Pick<GatewayProcess, 'url'> = gateway, method = 'GET'): Promise<Response> => fetch(`${url}/api/v1${path}`, { method, headers: bearer === '' ? {} : { authorization: `Bearer ${bearer}` } })

async function makeTask(at: GatewayProcess, operator: string): Promise<string> {
  const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
  const answer = messageOf(await modern(Number(new URL(at.url).port), 'tools/call', { name: 'test_simple_text', arguments: { word: 'secret-word' } }, { path: '/reference/mcp', meta, headers: { authorization: `Bearer ${at.token}` } }))
  expect(answer['result']).toMatchObject({ resultType: 'task' })
  const { tasks } = (await (await ask('/tasks', operator, at)).json()) as { tasks: { id: string }[] }
  return tasks.at(-1)?.id ?? ''
}

describe('the admin API of a gateway', () => {
  it('is off, and not loaded, until an operator is made; then it is on without a restart', { timeout: 120_000 }, async () => {
    expect((await ask('/status', gateway.token)).status).toBe(404)
    const made = await portolan('operator', 'add', 'ci', '--data', gateway.dataDir)
    token = made.stdout.trim()
    expect(token).toMatch(/^portolan_op_[A-Za-z0-9_-]{43}$/)
    expect(made.stderr).toContain('shown only now')
    expect(readFileSync(join(gateway.dataDir, 'operators'), 'utf8')).not.toContain(token)
    expect((await ask('/status', '')).status).toBe(401)
    expect(gateway.stderr()).not.toContain('LOADED hono')
    expect((await ask('/status', token)).status).toBe(200)
    // The pipe may bring it after the answer.
    await expect.poll(() => gateway.stderr(), { timeout: 20_000 }).toContain('LOADED hono')
    expect((await portolan('operator', 'ls', '--data', gateway.dataDir)).stdout).toBe('ci\n')
  })

  it('takes no client\'s token, and /mcp none of an operator, whatever --auth says', { timeout: 60_000 }, async () => {
    expect((await ask('/status', gateway.token)).status).toBe(401)
    expect((await callModern(`${gateway.url}/mcp`, token, 'tools/list')).status).toBe(401)
    const { stdout } = await portolan('operator', 'add', 'ci', '--data', open.dataDir)
    expect((await callModern(`${open.url}/mcp`, '', 'tools/list')).status).toBe(200)
    expect([(await ask('/status', '', open)).status, (await ask('/status', token, open)).status, (await ask('/status', stdout.trim(), open)).status]).toEqual([401, 401, 200])
  })

  it('tells all that its document says of the process and its servers, and nothing else', async () => {
    await expect.poll(async () => RESOURCES.Status.parse(await (await ask('/status', token)).json()).servers, { timeout: 20_000 }).toMatchObject([{ name: 'reference', state: 'ready' }])
    expect(RESOURCES.ServerList.parse(await (await ask('/servers', token)).json()).virtualServers).toMatchObject([{ name: 'some' }])
    expect(RESOURCES.Server.parse(await (await ask('/servers/reference', token)).json())).toMatchObject({ id: 'reference' })
    expect(RESOURCES.ReplicaList.parse(await (await ask('/replicas', token)).json())).toEqual({ self: '', replicas: [] })
    expect(await (await ask('/metrics', token)).text()).toContain('portolan_process_resident_bytes')
    expect(RESOURCES.Reload.parse(await (await ask('/reload', token, gateway, 'POST')).json())).toMatchObject({ outcome: 'unchanged' })
    const { paths } = RESOURCES.Document.parse(await (await ask('/openapi.json', token)).json())
    expect(Object.keys(paths)).toEqual([...new Set(ROUTES.map(({ path }) => path))])
  })

  it('shows and drops the task of a client, without what the client sent unless that is asked for, and with a record', { timeout: 60_000 }, async () => {
    const id = await makeTask(gateway, token)
    await expect.poll(async () => RESOURCES.TaskDetail.parse(await (await ask(`/tasks/${id}`, token)).json()).phase, { timeout: 20_000 }).toBe('completed')
    const shown = await (await ask(`/tasks/${id}`, token)).text()
    expect(shown).not.toContain('secret-word')
    expect(RESOURCES.TaskDetail.parse(await (await ask(`/tasks/${id}?content=true`, token)).json()).request).toContain('secret-word')
    expect((await ask(`/tasks/${id}`, token, gateway, 'DELETE')).status).toBe(204)
    const records = (): unknown[] => readFileSync(join(gateway.dataDir, 'ledger.jsonl'), 'utf8').trim().split('\n').map((line) => JSON.parse(line)).filter(({ endpoint, subject }) => endpoint === 'api' && subject === id)
    await expect.poll(records, { timeout: 10_000 }).toMatchObject([
      { principal: 'operator:ci', method: 'admin/getTask', upstreamId: 'reference', outcome: 'answered', status: 200 },
      { principal: 'operator:ci', method: 'admin/dropTask', upstreamId: 'reference', outcome: 'answered', status: 204 },
    ])
  })

  it('is what the command line speaks from elsewhere, and on the socket without a token', { timeout: 120_000 }, async () => {
    const id = await makeTask(gateway, token)
    const remote = ['--url', gateway.url, '--operator-token', token]
    const [listed, shown, status, server, reloaded, here, refused, wrong, clear] = await Promise.all([
      portolan('task', 'ls', '--tool', 'test_simple_text', '--json', ...remote),
      portolan('task', 'show', id, '--json', ...remote),
      portolan('status', '--json', ...remote),
      portolan('status', 'reference', ...remote),
      portolan('reload', ...remote),
      portolan('task', 'ls', '--json', '--data', gateway.dataDir),
      portolan('task', 'retry', id, ...remote),
      portolan('task', 'ls', '--url', gateway.url, '--operator-token', 'wrong'),
      portolan('task', 'ls', '--url', 'http://portolan.example', '--operator-token', 'x'),
    ])
    expect(JSON.parse(listed.stdout)).toMatchObject({ id, tool: 'test_simple_text' })
    expect(here.stdout).toBe(listed.stdout)
    expect(shown).toMatchObject({ code: 0, stderr: '' })
    expect(RESOURCES.TaskDetail.parse(JSON.parse(shown.stdout)).id).toBe(id)
    expect(RESOURCES.Status.parse(JSON.parse(status.stdout)).servers).toHaveLength(1)
    expect(server.stdout).toContain('reference: ready, stdio')
    expect(reloaded).toMatchObject({ code: 0, stdout: expect.stringContaining('nothing has changed') })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('Only a dead task can be retried') })
    expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('portolan operator add') })
    expect(clear).toMatchObject({ code: 2, stderr: expect.stringContaining('cross the network in the clear') })
  })
})

const postgres = await findPostgres()

describe.skipIf(postgres === undefined)('the admin API of replicas', () => {
  it('answers for the tasks of all of them at each, and follows them there', { timeout: 120_000 }, async () => {
    const args = ['--database-url', (await postgres?.newDatabase()) ?? '']
    const [here, there] = await Promise.all([startGateway({ config, args }), startGateway({ config, args })])
    try {
      const made = await portolan('operator', 'add', 'ci', '--data', here.dataDir)
      copyFileSync(join(here.dataDir, 'operators'), join(there.dataDir, 'operators'))
      const operator = made.stdout.trim()
      const replicas = await Promise.all([here, there].map(async (replica) => RESOURCES.ReplicaList.parse(await (await ask('/replicas', operator, replica)).json())))
      expect(replicas.map((list) => list.replicas.length)).toEqual([2, 2])
      expect(new Set(replicas.map(({ self }) => self)).size).toBe(2)
      const events = await ask('/tasks/events', operator, there)
      let told = ''
      void (async () => {
        for await (const chunk of events.body ?? []) told += Buffer.from(chunk).toString()
      })().catch(() => undefined)
      await expect.poll(() => told, { timeout: 10_000 }).toContain('event: synced')
      const id = await makeTask(here, operator)
      await expect.poll(async () => RESOURCES.TaskDetail.parse(await (await ask(`/tasks/${id}`, operator, there)).json()).phase, { timeout: 20_000 }).toBe('completed')
      await expect.poll(() => told, { timeout: 10_000 }).toContain(`"id":"${id}","phase":"completed"`)
      expect((await ask(`/tasks/${id}`, operator, there, 'DELETE')).status).toBe(204)
      expect((await ask(`/tasks/${id}`, operator, here)).status).toBe(404)
    } finally {
      await Promise.all([here.stop(), there.stop()])
    }
  })
})

describe('the admin API of workers', () => {
  it('speaks of all of them, and reloads all of them, whichever the operator came to', { timeout: 120_000 }, async () => {
    const workers = await startWorkers(2, { config, args: ['--no-watch'] })
    try {
      const operator = (await portolan('operator', 'add', 'ci', '--data', workers.dataDir)).stdout.trim()
      const status = RESOURCES.Status.parse(await (await ask('/status', operator, workers)).json())
      expect(status).toMatchObject({ pid: workers.pid, workers: [{ number: 1, state: 'ready' }, { number: 2, state: 'ready' }] })
      expect(await (await ask('/metrics', operator, workers)).text()).toContain('worker="2"')
      writeFileSync(workers.configPath, JSON.stringify({ ...config, mcpServers: { ...config.mcpServers, more: REFERENCE_SERVER_COMMAND } }))
      expect(RESOURCES.Reload.parse(await (await ask('/reload', operator, workers, 'POST')).json())).toMatchObject({ outcome: 'changed', change: { added: ['more'] } })
      for (const number of [1, 2]) {
        const { stdout } = await portolan('status', '--json', '--socket', join(workers.dataDir, 'workers', `operations-${number}.sock`))
        expect(RESOURCES.Status.parse(JSON.parse(stdout)).servers.map(({ name }) => name)).toEqual(['reference', 'more'])
      }
    } finally {
      await workers.stop()
    }
  })
})
