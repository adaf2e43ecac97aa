import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { messageOf, modern } from '../mcp-client.ts'
import { runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
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
  send(method: string, params: Json): Promise<Json>
  reach(taskId: unknown, status: string, withinMs?: number): Promise<Json>
  /** What `portolan task` prints. */
  task(...args: readonly string[]): Promise<string>
  kill(): Promise<void>
  start(): Promise<void>
}

async function startPlace(more: readonly string[]): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-tasks-'))
  closers.push(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'portolan.json')
  writeFileSync(path, JSON.stringify(CONFIG))
  const args = ['--config', path, ...more]
  let portolan = await startPortolan(join(folder, 'data'), args)
  closers.push(() => stopPortolan(portolan))
  const send: Place['send'] = async (method, params) => {
    const headers = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : undefined
    const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
    return messageOf(await modern(Number(new URL(portolan.baseUrl).port), method, params, { path: '/reference/mcp', meta, headers: { ...headers, authorization: `Bearer ${portolan.token}` } }))
  }
  return {
    send,
    async reach(taskId, status, withinMs = 10_000) {
      let task: Json = {}
      await expect.poll(async () => (task = (await send('tasks/get', { taskId }))['result'] as Json)['status'], { timeout: withinMs, interval: 100 }).toBe(status)
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

describe('tasks of a Portolan that was killed', () => {
  it('go on, on each store: results are kept, what may run twice is tried again', { timeout: 120_000 }, async () => {
    await Promise.all(places.map(async (args) => killed(await args())))
  })
})
