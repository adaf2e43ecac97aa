/** Tasks of 2025-11-25 and of the tasks extension, as each other across eras. */
import { expect } from 'vitest'
import type { At, Cell, Group, Otherwise } from './cell.ts'
import { eventually, textOf } from './cell.ts'
import type { Json, Reply } from './client.ts'

/** Only clients that write by hand declare the extension. */
export const DECLARED: Json = { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } }

/** In which cells there are tasks; in the others they are refused. */
export function hasNoTasks({ client, upstream, isMerged }: Cell): Otherwise | undefined {
  if (client.era === 'legacy' && client.revision < '2025-11-25') return { note: 'no-tasks' }
  const note = client.era === 'legacy' || client.kind === 'raw' ? 'no-tasks' : 'tasks-undeclared'
  const isMissing = note === 'tasks-undeclared' || upstream.revision < '2025-11-25'
  if (!isMissing) return undefined
  // Where all servers are one, an unknown task is of none of them.
  return isMerged ? { note } : { note, run: note === 'no-tasks' ? refusesTasks : async ({ driver }) => expect(await driver.request('tasks/get', { taskId: 'task' })).toMatchObject({ code: -32021 }) }
}

/** The client has tasks, the server has not. */
async function refusesTasks(at: At): Promise<void> {
  const { driver, cell } = at
  const isModern = cell.client.era === 'modern'
  const wish = isModern ? { _meta: DECLARED } : { task: { ttl: 60_000 } }
  expect(textOf(await driver.request('tools/call', { name: at.name('job'), arguments: {}, ...wish }))).toBe('plain')
  expect(await driver.request('tasks/get', { taskId: 'task', ...(isModern ? { _meta: DECLARED } : {}) })).toMatchObject({ code: -32602 })
}

/** Starts the tool as a task; resolves with the task's id. */
export async function startTask({ driver, name, cell }: At, tool: string, args: Json = {}): Promise<unknown> {
  const params = { name: name(tool), arguments: args, ...(cell.client.era === 'modern' ? { _meta: DECLARED } : { task: { ttl: 60_000 } }) }
  const result = answered(await driver.request('tools/call', params))
  return cell.client.era === 'modern' ? result['taskId'] : (result['task'] as Json | undefined)?.['taskId']
}

export async function askTask({ driver, cell }: At, method: string, taskId: unknown): Promise<Json> {
  return answered(await driver.request(method, { taskId, ...(cell.client.era === 'modern' ? { _meta: DECLARED } : {}) }))
}

/** What is refused is said as it was: a client that asks on would hear the same for ever. */
function answered(reply: Reply): Json {
  if (reply.code !== undefined) throw new Error(textOf(reply))
  return reply.result ?? {}
}

/** Looked at until it has ended, well. */
async function completed(at: At, taskId: unknown): Promise<Json> {
  let task: Json = {}
  await eventually('the task is done', async () => (task = await askTask(at, 'tasks/get', taskId))['status'] !== 'working')
  if (task['status'] !== 'completed') throw new Error(`the task is ${String(task['status'])}: ${JSON.stringify(task['error'] ?? task['statusMessage'])}`)
  return task
}

export const TASKS: Group = {
  title: 'Tasks',
  behaviours: [
    {
      id: 'task', title: 'a call that becomes a task, looked at until it is done, and its result', spec: '2025-11-25/basic/utilities/tasks', server: 'fixture',
      otherwise: hasNoTasks,
      async run(at) {
        const taskId = await startTask(at, 'job')
        expect(taskId).toEqual(expect.any(String))
        const task = await completed(at, taskId)
        const result = at.cell.client.era === 'modern' ? (task['result'] as Json) : await askTask(at, 'tasks/result', taskId)
        expect(textOf({ result })).toBe('job done')
      },
    },
    {
      id: 'task-wait', title: '`tasks/result` waits for the end', spec: '2025-11-25/basic/utilities/tasks', server: 'fixture',
      otherwise: (cell) => hasNoTasks(cell) ?? (cell.client.era === 'modern' ? { note: 'polled' } : undefined),
      run: async (at) => expect(textOf({ result: await askTask(at, 'tasks/result', await startTask(at, 'job')) })).toBe('job done'),
    },
    {
      id: 'task-cancel', title: 'a task that is cancelled, and stays so', spec: '2025-11-25/basic/utilities/tasks', server: 'fixture',
      otherwise: hasNoTasks,
      async run(at) {
        const taskId = await startTask(at, 'job', { milliseconds: 60_000 })
        expect(await askTask(at, 'tasks/cancel', taskId)).toEqual(expect.any(Object))
        expect(await askTask(at, 'tasks/get', taskId)).toMatchObject({ taskId, status: 'cancelled' })
      },
    },
    {
      id: 'task-list', title: '`tasks/list`: one\'s own', spec: '2025-11-25/basic/utilities/tasks', server: 'fixture',
      otherwise: (cell) => hasNoTasks(cell) ?? (cell.client.era === 'modern' ? { note: 'unlisted' } : undefined),
      async run(at) {
        const taskId = await startTask(at, 'job')
        const { result } = await at.driver.request('tasks/list')
        expect(result?.['tasks']).toEqual(expect.arrayContaining([expect.objectContaining({ taskId })]))
      },
    },
  ],
}
