/** Tasks of legacy clients at legacy servers, and the sessions in which they go on (bridge-rulings §3, `DELETE`; §4, Tasks). */
import { describe, expect, it } from 'vitest'
import { until } from './fixtures/upstream/support.ts'
import { startLegacyTasks } from './fixtures/upstream/task-actor.ts'
import type { TaskActor } from './fixtures/upstream/task-actor.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { codeOf, getRequest, legacy, openSession } from './mcp-client.ts'
import { INPUT, TRANSPORTS, VIA, done, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

const path = '/actor/mcp'

describe.each(TRANSPORTS)('a task of a legacy client at a legacy server over %s', (via) => {
  interface Scene {
    readonly rig: Rig
    readonly actor: TaskActor
    readonly session: string
    readonly taskId: string
    ask(session: string, method: string, token?: string): Promise<Json>
    leave(): Promise<unknown>
  }

  async function play(): Promise<Scene> {
    const actor = closeAfter(await startLegacyTasks())
    const rig = await startRig({ servers: { actor: VIA[via](actor.url) }, server: { era: 'legacy' } })
    const session = await openSession(rig.port, { path, capabilities: INPUT })
    const made = resultOf(await legacy(rig.port, session, 'tools/call', { name: 'slow', arguments: {}, task: { ttl: 60_000 } }, { path }))
    const taskId = String((made['task'] as Json)['taskId'])
    return {
      rig, actor, session, taskId,
      ask: async (other, method, token = 'alice') => resultOf(await legacy(rig.port, other, method, { taskId }, { path, token })),
      leave: () => send(rig.port, { ...getRequest(session, {}, path), verb: 'DELETE' }),
    }
  }

  const sessionsOf = (actor: TaskActor, method: string): unknown[] => actor.requests.filter(({ json }) => json.method === method).map(({ headers }) => headers['mcp-session-id'])
  const isOpen = ({ actor, rig }: Scene): boolean => (via === 'HTTP' ? actor.sessions.has(String(sessionsOf(actor, 'tools/call')[0])) : (rig.gateway.status().servers[0]?.children ?? 0) > 1)

  it('outlives the session of its client, and is reached from his next one, where it was made', async () => {
    const scene = await play()
    const { rig, actor, ask, leave } = scene
    await leave()
    const next = await openSession(rig.port, { path, capabilities: INPUT })
    expect(await ask(next, 'tasks/get')).toMatchObject({ status: 'working' })
    const result = ask(next, 'tasks/result')
    await until(() => actor.calls('tasks/result').length === 1)
    actor.tasks[0]?.end('completed', { result: done })
    expect(await result).toMatchObject(done)
    expect(new Set([...sessionsOf(actor, 'tasks/get'), ...sessionsOf(actor, 'tasks/result')])).toEqual(new Set(sessionsOf(actor, 'tools/call')))
    await until(() => !isOpen(scene))
  })

  it('that is cancelled keeps no session', async () => {
    const scene = await play()
    await scene.ask(scene.session, 'tasks/cancel')
    await scene.leave()
    await until(() => !isOpen(scene))
  })

  it('is nobody else\'s', async () => {
    const { rig, taskId, leave, actor } = await play()
    await leave()
    const bobs = await openSession(rig.port, { path, capabilities: INPUT, token: 'bob' })
    expect(codeOf(await legacy(rig.port, bobs, 'tasks/get', { taskId }, { path, token: 'bob' }))).toBe(-32_602)
    expect(actor.calls('tasks/get')).toEqual([])
  })
})
