// `subscriptions/listen` with `taskIds` (ext-tasks, Task Status Notifications): the SDK's own stream knows no tasks. What else the
// listen asks for is told here, too.
import type { ServerResponse } from 'node:http'
import { CLIENT_CAPABILITIES_META_KEY } from '@modelcontextprotocol/server'
import type { ServerEvent } from '@modelcontextprotocol/server'
import { z } from 'zod'
import type { ReferenceState } from './state.ts'
import { TASKS_EXTENSION } from './tools-task.ts'

const SUBSCRIPTION = 'io.modelcontextprotocol/subscriptionId'
const FILTER = z.object({
  toolsListChanged: z.boolean().optional(),
  promptsListChanged: z.boolean().optional(),
  resourcesListChanged: z.boolean().optional(),
  resourceSubscriptions: z.array(z.string()).optional(),
  taskIds: z.array(z.string()).min(1),
})
const DECLARED = z.object({ [CLIENT_CAPABILITIES_META_KEY]: z.object({ extensions: z.object({ [TASKS_EXTENSION]: z.object({}) }) }) })
const LISTEN = z.object({
  id: z.union([z.string(), z.number()]),
  method: z.literal('subscriptions/listen'),
  params: z.object({ notifications: FILTER, _meta: DECLARED }),
})

/** A listen that asks for tasks, by who takes them. */
export type TaskListen = z.output<typeof LISTEN>

/** Undefined for every other message: it is the SDK's. */
export function readTaskListen(message: unknown): TaskListen | undefined {
  return LISTEN.safeParse(message).data
}

/** Tells until the client goes away. Unknown tasks are left out of the acknowledgement. */
export function serveTaskListen({ tasks, bus }: ReferenceState, { id, params: { notifications } }: TaskListen, response: ServerResponse): void {
  const send = (method: string, params: object = {}): void => {
    response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method, params: { _meta: { [SUBSCRIPTION]: id }, ...params } })}\n\n`)
  }
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' })
  const { taskIds, ...others } = notifications
  const known = taskIds.filter((taskId) => tasks.get(taskId) !== undefined)
  send('notifications/subscriptions/acknowledged', { notifications: { ...others, taskIds: known } })
  const stops = [
    ...known.map((taskId) => tasks.watch(taskId, (task) => send('notifications/tasks', task))),
    bus.subscribe((event) => tell(event, notifications, send)),
  ]
  response.on('close', () => stops.forEach((stop) => stop()))
}

function tell(event: ServerEvent, filter: z.output<typeof FILTER>, send: (method: string, params?: object) => void): void {
  switch (event.kind) {
    case 'tools_list_changed':
      return filter.toolsListChanged === true ? send('notifications/tools/list_changed') : undefined
    case 'prompts_list_changed':
      return filter.promptsListChanged === true ? send('notifications/prompts/list_changed') : undefined
    case 'resources_list_changed':
      return filter.resourcesListChanged === true ? send('notifications/resources/list_changed') : undefined
    case 'resource_updated':
      return filter.resourceSubscriptions?.includes(event.uri) === true ? send('notifications/resources/updated', { uri: event.uri }) : undefined
  }
}
