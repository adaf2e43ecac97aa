/** Routes of the tasks that Portolan owns, whichever replica tries them and whoever they belong to. */

import { z } from 'zod'
import { TASK_PHASES } from '../../core/task/stored-task.ts'
import type { StoredTask } from '../../core/task/stored-task.ts'
import type { OperationFault, TaskOperations } from '../../core/task/task-operations.ts'
import type { TaskQuery } from '../../core/task/task-store.ts'
import type { Result } from '../../protocol/result.ts'
import { SSE_HEADERS } from '../../protocol/sse.ts'
import { route } from './admin-route.ts'
import type { AdminCall, AdminResult, AdminRoute, AdminSource } from './admin-route.ts'
import type { Problem } from './problem.ts'
import { RESOURCES } from './resource-schema.ts'
import { taskEvents } from './task-events.ts'
import { detailOf, rowOf } from './task-resource.ts'
import type { TaskList } from './task-resource.ts'

const MAX_COUNT = 1_000
const DEFAULT_COUNT = 100

const content = z.enum(['true', 'false']).default('false')

const listQuery = z.strictObject({
  phase: z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(z.enum(TASK_PHASES, { error: `there are ${TASK_PHASES.join(', ')}` })))
    .optional()
    .describe('Only these, with commas between'),
  server: z.string().min(1).optional().describe('Only of this server, by name or id'),
  tool: z.string().min(1).optional().describe('Only of this tool, by the server\'s own name of it'),
  owner: z.string().min(1).optional().describe('Only of this owner, as `owner` of a task says'),
  count: z.coerce.number().int().min(1).max(MAX_COUNT).default(DEFAULT_COUNT).describe('So many on a page at most'),
  after: z
    .string()
    .regex(/^\d{1,16}\/[A-Za-z0-9_-]{1,128}$/, { error: 'give what `next` of the page before says' })
    .optional()
    .describe('`next` of the page before'),
  content: content.describe('`true`: with what each says to its owner, which may hold secrets; leaves a record in the ledger'),
})

const showQuery = z.strictObject({
  content: content.describe('`true`: with what its owner sent, gets and is told, which may hold secrets; leaves a record in the ledger'),
})

function isContentWanted({ content: wanted }: { readonly content: 'true' | 'false' }): boolean {
  return wanted === 'true'
}

const id = { id: 'Its id, as `listTasks` gives it' }

export const TASK_ROUTES: readonly AdminRoute[] = [
  route({
    id: 'listTasks', verb: 'get', path: '/tasks', summary: 'Tasks of everybody, on all replicas: with `content=true` what `portolan task ls --json` prints.',
    params: {}, query: listQuery, isRecorded: isContentWanted, problems: ['no_task_store', 'state_unavailable'],
    answers: { 200: { description: 'One page', schema: RESOURCES.TaskList } },
    run: ({ source }, query) => withTasks(source, (tasks) => list(source, tasks, query)),
  }),
  route({
    id: 'watchTasks', verb: 'get', path: '/tasks/events', summary: 'Tasks as they change, as Server-Sent Events.',
    params: {}, query: z.strictObject({}), isRecorded: false, problems: ['no_task_store', 'too_many_streams'],
    answers: { 200: { description: 'Events `task`, `synced` and `gone`', type: 'text/event-stream' } },
    run: (call) => withTasks(call.source, async (tasks) => watch(call, tasks)),
  }),
  route({
    id: 'getTask', verb: 'get', path: '/tasks/{id}', summary: 'One task in full: with `content=true` what `portolan task show --full --json` prints.',
    params: id, query: showQuery, isRecorded: isContentWanted, problems: ['no_task_store', 'task_not_found', 'state_unavailable'],
    answers: { 200: { description: 'The task', schema: RESOURCES.TaskDetail } },
    run: ({ source, params }, query) =>
      withTasks(source, async (tasks) => {
        const task = await tasks.find(params['id'] ?? '')
        return task === undefined ? { problem: UNKNOWN } : { status: 200, json: detailOf(task, isContentWanted(query)), server: task.origin.upstreamId }
      }),
  }),
  route({
    id: 'retryTask', verb: 'post', path: '/tasks/{id}/retry', summary: 'Makes another task of a dead one, for the same owner; the dead one names it and stays dead.',
    params: id, query: z.strictObject({}), isRecorded: true, problems: ['no_task_store', 'task_not_found', 'task_not_dead', 'task_retried', 'state_unavailable'],
    answers: { 201: { description: 'The new task; `Location` says where', schema: RESOURCES.Task } },
    run: (call) => act(call, (tasks, task) => tasks.retry(task), (task) => ({ status: 201, json: rowOf(task), headers: { location: `/api/v1/tasks/${task.id}` } }), NOT_DEAD),
  }),
  route({
    id: 'cancelTask', verb: 'post', path: '/tasks/{id}/cancel', summary: 'Cancels a task that has not ended, at its server, too.',
    params: id, query: z.strictObject({}), isRecorded: true, problems: ['no_task_store', 'task_not_found', 'task_over', 'state_unavailable'],
    answers: { 200: { description: 'The task as it is now', schema: RESOURCES.Task } },
    run: (call) => act(call, (tasks, task) => tasks.cancel(task), (task) => ({ status: 200, json: rowOf(task) }), OVER),
  }),
  route({
    id: 'dropTask', verb: 'delete', path: '/tasks/{id}', summary: 'Removes a task that has ended; its owner is told that it has expired.',
    params: id, query: z.strictObject({}), isRecorded: true, problems: ['no_task_store', 'task_not_found', 'task_not_over', 'state_unavailable'],
    answers: { 204: { description: 'It is removed' } },
    run: (call) => act(call, (tasks, task) => tasks.drop(task), () => ({ status: 204 }), NOT_OVER),
  }),
]

const UNKNOWN: Problem = { code: 'task_not_found', detail: 'There is no task of this id: list them with portolan task ls, or at /api/v1/tasks' }
const NOT_DEAD: Problem = { code: 'task_not_dead', detail: 'Only a dead task can be retried: list them with portolan task ls --phase dead' }
const OVER: Problem = { code: 'task_over', detail: 'It has ended: nothing is left to cancel' }
const NOT_OVER: Problem = { code: 'task_not_over', detail: 'It has not ended: cancel it first' }

async function withTasks({ tasks }: AdminSource, run: (tasks: TaskOperations) => Promise<AdminResult>): Promise<AdminResult> {
  return tasks === undefined ? { problem: { code: 'no_task_store', detail: 'This gateway keeps no tasks; those of its servers are known to their owners only' } } : run(tasks)
}

/** Each looks once a second. */
const STREAMS = 16
const openStreams = new WeakMap<AdminSource, number>()

function watch({ source, isStillWelcome, signal }: AdminCall, tasks: TaskOperations): AdminResult {
  const open = openStreams.get(source) ?? 0
  if (open >= STREAMS) return { problem: { code: 'too_many_streams', detail: 'Too many streams are open: close one, then ask again', headers: { 'retry-after': '5' } } }
  openStreams.set(source, open + 1)
  const onEnd = (): void => void openStreams.set(source, (openStreams.get(source) ?? 1) - 1)
  return { status: 200, headers: { ...SSE_HEADERS, 'cache-control': 'no-store' }, events: taskEvents(tasks.watch(), { clock: source.clock, isStillWelcome, signal, onEnd }) }
}

async function list(source: AdminSource, tasks: TaskOperations, query: z.infer<typeof listQuery>): Promise<AdminResult> {
  const { phase: phases, server: named, tool, owner, count } = query
  const server = named === undefined ? undefined : ((await source.status()).servers.find(({ name }) => name === named)?.id ?? named)
  const page = await tasks.page({ phases, server, tool, owner }, count, query.after === undefined ? undefined : readCursor(query.after))
  const json: TaskList = { tasks: page.tasks.map((task) => rowOf(task, isContentWanted(query))), ...(page.next === undefined ? {} : { next: `${page.next.createdAtMs}/${page.next.id}` }) }
  return { status: 200, json }
}

function readCursor(text: string): NonNullable<TaskQuery['after']> {
  const [createdAtMs, after = ''] = text.split('/')
  return { createdAtMs: Number(createdAtMs), id: after }
}

type Act = (tasks: TaskOperations, id: string) => Promise<Result<StoredTask, OperationFault>>

async function act({ source, params }: AdminCall, run: Act, done: (task: StoredTask) => AdminResult, notNow: Problem): Promise<AdminResult> {
  return withTasks(source, async (tasks) => {
    const result = await run(tasks, params['id'] ?? '')
    if (result.ok) return { server: result.value.origin.upstreamId, ...done(result.value) }
    const { fault } = result
    if (fault.reason === 'unknown') return { problem: UNKNOWN }
    return { problem: fault.reason === 'retried' ? { code: 'task_retried', detail: `It was retried already, as ${fault.as}`, more: { retriedAs: fault.as } } : notNow }
  })
}
