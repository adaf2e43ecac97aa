/** `tasks/list` over several servers: asked at once, and one that is down hides no other's. */
import { expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { legacy, messageOf, openSession } from './mcp-client.ts'

/** Answers of as many calls as are awaited are held until all of those calls are there. */
function createGate() {
  const held: (() => void)[] = []
  const gate = { awaited: 0, pass: (answer: () => void): void => {
    held.push(answer)
    if (held.length >= gate.awaited) for (const one of held.splice(0)) one()
  } }
  return gate
}

/** A server that tells of its tasks when the gate lets it. */
async function startTasks(name: string, { pass }: ReturnType<typeof createGate>): Promise<Actor> {
  let started = 0
  const begin: Act = ({ answer }) => {
    started += 1
    answer({ content: undefined, task: { taskId: `${name}-${started}`, status: 'working', createdAt: '2026-01-01T00:00:00Z', ttl: null } })
  }
  const echo: Act = ({ request, answer }) => {
    pass(() => answer({ content: undefined, resultType: undefined, taskId: request.json.params?.['taskId'], status: 'working', server: name }))
  }
  return closeAfter(await startActor(['legacy'], { begin, echo }))
}

it('asks all servers at once, and leaves out those that are down unless all are', async () => {
  const gate = createGate()
  const [one, two] = [await startTasks('one', gate), await startTasks('two', gate)]
  const rig = await startRig({ servers: { one: http(one.url), two: http(two.url) } })
  const session = await openSession(rig.port)
  for (const name of ['one__begin', 'two__begin', 'two__begin']) await legacy(rig.port, session, 'tools/call', { name, task: {} })
  const list = async (): Promise<Record<string, unknown>> => messageOf(await legacy(rig.port, session, 'tasks/list'))
  const serversIn = ({ result }: Record<string, unknown>): unknown[] => (result as { tasks: { server: unknown }[] }).tasks.map(({ server }) => server)
  gate.awaited = 3
  expect(serversIn(await list())).toEqual(['one', 'two', 'two'])
  gate.awaited = 1
  await one.close()
  expect(serversIn(await list())).toEqual(['two', 'two'])
  await two.close()
  expect(await list()).toMatchObject({ error: { code: -31_020 } })
})
