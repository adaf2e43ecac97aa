import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { legacy, messageOf, modern, openSession } from '../mcp-client.ts'
import { runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import { REFERENCE_SERVER_COMMAND, startReferenceServer } from '../reference-server-process.ts'
import { findPostgres } from '../services/postgres.ts'
import { DECLARED } from '../task-rig.ts'
import type { Json } from '../task-rig.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

const CONFIG = {
  mcpServers: { reference: REFERENCE_SERVER_COMMAND },
  portolan: { version: 1, servers: { reference: { tasks: { test_simple_text: { task: 'always' }, test_wait: { task: 'auto', taskAfterMs: 300, repeatable: true } } } } },
}

interface Place {
  send(method: string, params: Json, server?: string): Promise<Json>
  /** As a client of 2025-11-25 does, in a session of its own. */
  sendLegacy(method: string, params: Json, server: string): Promise<Json>
  reach(taskId: unknown, status: string, withinMs?: number, server?: string): Promise<Json>
  /** What `portolan task` prints. */
  task(...args: readonly string[]): Promise<string>
  kill(): Promise<void>
  start(): Promise<void>
}

/** `maker`: the address of a server that makes tasks. */
async function startPlace(more: readonly string[], maker?: string): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-tasks-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'portolan.json')
  writeFileSync(path, JSON.stringify(maker === undefined ? CONFIG : { mcpServers: { maker: { url: maker } }, portolan: { version: 1, servers: { maker: { era: 'modern' } } } }))
  const args = ['--config', path, ...more]
  let portolan = await startPortolan(join(folder, 'data'), args)
  closers.push(() => stopPortolan(portolan))
  const send: Place['send'] = async (method, params, server = 'reference') => {
    const headers = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : undefined
    const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
    return messageOf(await modern(Number(new URL(portolan.baseUrl).port), method, params, { path: `/${server}/mcp`, meta, headers: { ...headers, authorization: `Bearer ${portolan.token}` } }))
  }
  return {
    send,
    async sendLegacy(method, params, server) {
      const [port, asked] = [Number(new URL(portolan.baseUrl).port), { path: `/${server}/mcp`, token: portolan.token }]
      return messageOf(await legacy(port, await openSession(port, asked), method, params, asked))
    },
    async reach(taskId, status, withinMs = 10_000, server = 'reference') {
      let task: Json = {}
      await expect.poll(async () => (task = (await send('tasks/get', { taskId }, server))['result'] as Json)['status'], { timeout: withinMs, interval: 100 }).toBe(status)
      return task
    },
    async task(...words) {
      const { exited, stdout, stderr } = runPortolan(['task', ...words, '--data', join(folder, 'data')])
      await exited
      return stdout() + stderr()
    },
    async kill() {
      portolan.child.kill('SIGKILL')
      await portolan.exited
    },
    async start() {
      portolan = await startPortolan(join(folder, 'data'), args)
    },
  }
}

const postgres = await findPostgres()
/** Side by side: most of the time both wait for a lease to end. */
const places: (() => Promise<string[]>)[] = [async () => [], ...(postgres === undefined ? [] : [async () => ['--database-url', await postgres.newDatabase()]])]

async function killed(more: readonly string[]): Promise<void> {
  const place = await startPlace(more)
  const quick = (await place.send('tools/call', { name: 'test_simple_text', arguments: {} }))['result'] as Json
  expect(quick).toMatchObject({ resultType: 'task', status: 'working' })
  const completed = await place.reach(quick['taskId'], 'completed')
  const long = (await place.send('tools/call', { name: 'test_wait', arguments: { milliseconds: 3_000 } }))['result'] as Json
  expect(long).toMatchObject({ resultType: 'task' })
  await place.kill()
  await place.start()
  expect(await place.reach(quick['taskId'], 'completed')).toEqual(completed)
  expect(await place.reach(long['taskId'], 'completed', 60_000)).toMatchObject({ result: { content: [{ type: 'text', text: 'Waited 3000 ms' }] }, _meta: { 'dev.portolan/attempts': 2 } })
  const rows = (await place.task('ls', '--json')).trim().split('\n').map((line) => JSON.parse(line) as Json)
  expect(rows).toMatchObject([{ tool: 'test_simple_text', phase: 'completed' }, { tool: 'test_wait', phase: 'completed', attempts: 2 }])
  expect(await place.task('show', String(rows[1]?.['id']))).toContain('2 of 3; it may run twice')
  expect(await place.task('retry', String(rows[1]?.['id']))).toContain('Only a dead task can be retried')
}

/** Tasks that the server makes: some have ended when Portolan is killed, some have not; then the server goes. */
async function killedWithServers(more: readonly string[]): Promise<void> {
  const server = await startReferenceServer()
  closers.push(() => server.stop())
  const place = await startPlace(more, server.url)
  const made = async (seconds: number): Promise<Json> => (await place.send('tools/call', { name: 'slow_compute', arguments: { seconds, label: `${seconds}` } }, 'maker'))['result'] as Json
  const madeLegacy = async (seconds: number): Promise<Json> => ((await place.sendLegacy('tools/call', { name: 'slow_compute', arguments: { seconds, label: `${seconds}` }, task: {} }, 'maker'))['result'] as Json)['task'] as Json
  const ended = async (): Promise<number> => (await place.task('ls', '--phase', 'completed')).split('slow_compute').length - 1
  const [quick, slow, quickLegacy, slowLegacy] = await Promise.all([made(0.1), made(12), madeLegacy(0.1), madeLegacy(12)])
  const { _meta: _said, ...completed } = await place.reach(quick['taskId'], 'completed', 10_000, 'maker')
  await expect.poll(ended, { timeout: 20_000 }).toBeGreaterThanOrEqual(2)
  await place.kill()
  await place.start()
  expect(await place.reach(quick['taskId'], 'completed', 10_000, 'maker')).toEqual({ ...completed, ttlMs: expect.any(Number) })
  // What has ended meanwhile is followed again once the lease of the lost process is over.
  await expect.poll(ended, { timeout: 60_000, interval: 500 }).toBe(4)
  await server.stop()
  const text = (seconds: number): Json => ({ content: [{ type: 'text', text: `Computed ${seconds} for ${seconds} s` }] })
  expect(await place.reach(slow['taskId'], 'completed', 10_000, 'maker')).toMatchObject({ result: text(12) })
  expect((await place.sendLegacy('tasks/result', { taskId: quickLegacy['taskId'] }, 'maker'))['result']).toMatchObject(text(0.1))
  expect((await place.sendLegacy('tasks/result', { taskId: slowLegacy['taskId'] }, 'maker'))['result']).toMatchObject(text(12))
  const listed = ((await place.sendLegacy('tasks/list', {}, 'maker'))['result'] as { tasks: Json[] }).tasks
  expect(listed.map(({ status }) => status)).toEqual(['completed', 'completed', 'completed', 'completed'])
}

describe('tasks of a Portolan that was killed', () => {
  it('go on, on each store: results are kept, what may run twice is tried again, what servers made is followed', { timeout: 120_000 }, async () => {
    await Promise.all([killed, killedWithServers].flatMap((kill) => places.map(async (args) => kill(await args()))))
  })
})
