/** The official suite with its scenarios of the tasks extension: every check, directly, through Portolan, and with tasks of Portolan's own. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'
import { messageOf, modern, modernRequest, openStream } from '../mcp-client.ts'
import { runOfficialServerSuite } from '../official-suite.ts'
import { startReferenceServer } from '../reference-server-process.ts'
import type { ReferenceServerProcess } from '../reference-server-process.ts'
import { DECLARED } from '../task-rig.ts'
import type { Json } from '../task-rig.ts'

let server: ReferenceServerProcess
let gateway: GatewayProcess
let outDir: string
beforeAll(async () => {
  server = await startReferenceServer()
  const target = { type: 'http', url: server.url }
  const config = { mcpServers: { plain: target, owned: target }, portolan: { version: 1, servers: { owned: { tasks: { slow_compute: { task: 'always' } } } } } }
  // The suite can send no token.
  gateway = await startGateway({ config, args: ['--auth', 'none'] })
  outDir = await mkdtemp(join(tmpdir(), 'portolan-official-tasks-'))
})
afterAll(async () => {
  await gateway?.stop()
  await server?.stop()
  if (outDir !== undefined) await rm(outDir, { recursive: true })
})

/** Those of the revision, and the nine scenarios of tasks in which there is something to check. */
const ARGS = ['--requirements', '2026-07-28']
const PASSED = 196

describe('the official server suite with the tasks extension', () => {
  it.each([
    ['the reference server', () => server.url],
    ['it behind Portolan', () => `${gateway.url}/plain/mcp`],
    ['it behind Portolan, which owns the tasks of one tool', () => `${gateway.url}/owned/mcp`],
  ] as const)('passes every check on %s', { timeout: 180_000 }, async (_where, url) => {
    const result = await runOfficialServerSuite({ url: url(), args: ARGS, outDir })
    expect(result, result.complaints.join('\n')).toMatchObject({ passed: PASSED, failed: 0 })
  })

  it('is silent on notifications/tasks, which come all the same', { timeout: 60_000 }, async () => {
    for (const url of [server.url, `${gateway.url}/plain/mcp`, `${gateway.url}/owned/mcp`]) {
      const { port, pathname: path } = new URL(url)
      const meta = { 'io.modelcontextprotocol/clientCapabilities': DECLARED }
      const created = messageOf(await modern(Number(port), 'tools/call', { name: 'slow_compute', arguments: { seconds: 1, label: 'l' } }, { path, meta, token: '' }))['result'] as Json
      const stream = await openStream(Number(port), modernRequest('subscriptions/listen', { notifications: { taskIds: [created['taskId']] } }, { path, meta, id: 'l1', token: '' }))
      const isTold = (): boolean => stream.messages().some(({ method, params }) => method === 'notifications/tasks' && (params as Json)['status'] === 'completed')
      await expect.poll(isTold, { timeout: 10_000 }).toBe(true)
      expect(stream.messages()[0]).toMatchObject({ method: 'notifications/subscriptions/acknowledged', params: { notifications: { taskIds: [created['taskId']] } } })
      expect(stream.messages().at(-1)).toMatchObject({ params: { _meta: { 'io.modelcontextprotocol/subscriptionId': 'l1' }, taskId: created['taskId'], result: { content: [{ text: 'Computed l for 1 s' }] } } })
      await stream.close()
    }
  })
})
