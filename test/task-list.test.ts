/** `tasks/list` over several servers: asked at once, and one that is down hides no other's. */
import { expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { legacy, messageOf, openSession } from './mcp-client.ts'

/** A server whose tasks take 300 ms to be told of. */
async function startTasks(name: string): Promise<Actor> {
  let started = 0
  const begin: Act = ({ answer }) => {
    started += 1
    answer({ content: undefined, task: { taskId: `${name}-${started}`, status: 'working', createdAt: '2026-01-01T00:00:00Z', ttl: null } })
  }
  const echo: Act = ({ request, answer }) => {
    setTimeout(() => answer({ content: undefined, resultType: undefined, taskId: request.json.params?.['taskId'], status: 'working', server: name }), 300)
  }
  return closeAfter(await startActor(['legacy'], { begin, echo }))
}

it('asks all servers at once, and leaves out those that are down unless all are', async () => {
  const [one, two] = [await startTasks('one'), await startTasks('two')]
  const rig = await startRig({ servers: { one: http(one.url), two: http(two.url) } })
  const session = await openSession(rig.port)
  for (const name of ['one__begin', 'two__begin', 'two__begin']) await legacy(rig.port, session, 'tools/call', { name, task: {} })
  const list = async (): Promise<Record<string, unknown>> => messageOf(await legacy(rig.port, session, 'tasks/list'))
  const serversIn = ({ result }: Record<string, unknown>): unknown[] => (result as { tasks: { server: unknown }[] }).tasks.map(({ server }) => server)
  const beganMs = performance.now()
  expect(serversIn(await list())).toEqual(['one', 'two', 'two'])
  expect(performance.now() - beganMs).toBeLessThan(580)
  await one.close()
  expect(serversIn(await list())).toEqual(['two', 'two'])
  await two.close()
  expect(await list()).toMatchObject({ error: { code: -31_020 } })
})
