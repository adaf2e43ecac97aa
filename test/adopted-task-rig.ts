/** What the tests of tasks that servers make, and Portolan keeps, share: servers and clients of both eras, and what a row comes to. */
import { expect } from 'vitest'
import { createTaskStore } from '../src/adapters/memory/task-store.ts'
import { createSystemClock } from '../src/adapters/node/clock.ts'
import { sha256 } from '../src/adapters/node/digest.ts'
import type { TaskStore } from '../src/core/task/task-store.ts'
import { http, sleep } from './fixtures/upstream/support.ts'
import { startLegacyTasks, startModernTasks } from './fixtures/upstream/task-actor.ts'
import type { ActorTask, TaskActor } from './fixtures/upstream/task-actor.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'
import { DECLARED, resultOf } from './task-rig.ts'
import type { Json } from './task-rig.ts'

export type Era = 'legacy' | 'modern'

/** One client of either era, at the server's own endpoint. */
export interface Client {
  /** The id that it has of the task that its call became. */
  call(args?: Json): Promise<string>
  send(method: string, params: Json): Promise<Answer>
  status(taskId: string): Promise<unknown>
  /** The result of the call, or its error. */
  outcome(taskId: string): Promise<Json>
}

export const PATH = '/actor/mcp'

export async function clientOf(era: Era, rig: Pick<Rig, 'port'>, token = 'alice'): Promise<Client> {
  let id = 0
  const session = era === 'legacy' ? await openSession(rig.port, { path: PATH, token }) : ''
  const send: Client['send'] = (method, params) => {
    id += 1
    if (era === 'legacy') return legacy(rig.port, session, method, params, { path: PATH, token, id })
    const headers = typeof params['taskId'] === 'string' ? { 'mcp-name': params['taskId'] } : {}
    return modern(rig.port, method, params, { path: PATH, token, id, headers, meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } })
  }
  return {
    send,
    async call(args = {}) {
      const created = resultOf(await send('tools/call', { name: 'slow', arguments: args, ...(era === 'legacy' ? { task: { ttl: 60_000 } } : {}) }))
      return String(((era === 'legacy' ? created['task'] : created) as Json)['taskId'])
    },
    status: async (taskId) => {
      const answer = await send('tasks/get', { taskId })
      return resultOf(answer)['status'] ?? codeOf(answer)
    },
    async outcome(taskId) {
      const answer = await send(era === 'legacy' ? 'tasks/result' : 'tasks/get', { taskId })
      if (era === 'legacy') return messageOf(answer)
      const { result, error } = resultOf(answer)
      return { ...(result === undefined ? {} : { result }), ...(error === undefined ? {} : { error }) } as Json
    },
  }
}

export const startActor = (form: Era): Promise<TaskActor> => (form === 'legacy' ? startLegacyTasks() : startModernTasks())
export const kept = (store: TaskStore, actor: TaskActor, more: Partial<RigOptions> = {}): RigOptions => ({ servers: { actor: http(actor.url) }, ...more, deps: { tasks: { store, sha256 }, ...more.deps } })
export const newStore = (): TaskStore => createTaskStore(createSystemClock())
export const lastOf = ({ tasks }: TaskActor): ActorTask => tasks.at(-1) ?? expect.fail('the server has made no task')
/** The phase of one of the rows, the oldest first. */
export const phaseIs = (store: TaskStore, phase: string, at = 0): Promise<void> => eventually(async () => (await store.list({ count: 5 })).tasks[at]?.phase === phase)
/** The server knows none of its tasks any more; those that it makes have other ids. */
export const forget = ({ tasks }: TaskActor): void => tasks.forEach((task) => Object.assign(task, { id: 'forgotten' }))

export const listenTo = (port: number, taskId: string): Promise<Stream> =>
  openStream(port, modernRequest('subscriptions/listen', { notifications: { taskIds: [taskId] } }, { path: PATH, id: 'listen', meta: { 'io.modelcontextprotocol/clientCapabilities': DECLARED } }))

export async function eventually(look: () => Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + 20_000; !(await look()); await sleep(20)) if (Date.now() > endMs) expect.fail('it has not come to that')
}

export const CELLS = (['modern', 'legacy'] as const).flatMap((client) => (['modern', 'legacy'] as const).map((form) => [client, form] as const))
