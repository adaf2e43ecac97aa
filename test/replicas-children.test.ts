/** A session's own child goes with its replica: what that means is said, or made up for, as after a child's own death (decision 0005). */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import type { ServerSnapshot, StdioServer } from '../src/core/gateway/snapshot.ts'
import { codeOf, legacy, openSession } from './mcp-client.ts'
import type { Answer } from './http-rig.ts'
import { startTwo } from './replica-rig.ts'
import type { ReplicaRig } from './replica-rig.ts'

const announcer: StdioServer = {
  transport: 'stdio', command: process.execPath, args: [fileURLToPath(new URL('fixtures/upstream/announcer.mjs', import.meta.url))], env: {}, cwd: undefined,
}
const WAYS: Readonly<Record<string, (replica: ReplicaRig) => Promise<void>>> = {
  'a crash': (replica) => replica.kill(),
  'a drain': (replica) => replica.gateway.drain(1_000),
}

/** A session that can be asked, so that it has a child of its own, which it has used; the replica that has both is gone. */
async function orphan(way: string, path: string, state: ServerSnapshot['state']): Promise<() => Promise<Answer>> {
  const [a, b] = await startTwo({ servers: { files: announcer }, server: { era: 'legacy', state } })
  const session = await openSession(a.port, { path, capabilities: { sampling: {} } })
  const call = ({ port }: ReplicaRig): Promise<Answer> =>
    legacy(port, session, 'tools/call', { name: path === '/mcp' ? 'files__touch' : 'touch', arguments: {} }, { path })
  expect((await call(a)).status).toBe(200)
  await WAYS[way]?.(a)
  return () => call(b)
}

describe.each(Object.keys(WAYS))('an own child that went with its replica in %s', (way) => {
  it('and was opaque ends the session at its server\'s endpoint', async () => {
    const call = await orphan(way, '/files/mcp', 'opaque')
    expect([(await call()).status, (await call()).status]).toEqual([404, 404])
  })

  it('and was opaque is said to be lost on /mcp, once', async () => {
    const call = await orphan(way, '/mcp', 'opaque')
    expect(codeOf(await call())).toBe(-31020)
    const next = await call()
    expect([next.status, codeOf(next)]).toEqual([200, 0])
  })

  it.each(['none', 'replayable'] as const)('and whose state is %s is started again, and nobody notices', async (state) => {
    const call = await orphan(way, '/files/mcp', state)
    const answer = await call()
    expect([answer.status, codeOf(answer)]).toEqual([200, 0])
  })
})
