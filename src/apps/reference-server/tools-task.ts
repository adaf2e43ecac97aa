// Tools that answer with a task to who takes one: at once, or after a round of input. To others most are plain tools that wait;
// one can only answer with a task.
import { setTimeout as delay } from 'node:timers/promises'
import { CLIENT_CAPABILITIES_META_KEY, inputRequired, ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { CallToolResult, InputRequest, McpServer, ServerContext } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { ASK_NAME, accepted, form } from './input.ts'
import type { ReferenceState } from './state.ts'
import type { SeedTask, TaskWork } from './task-book.ts'
import { text, tool } from './tool.ts'
import type { ToolAnswer, ToolFixture } from './tool.ts'

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
const MISSING_CAPABILITY = -32021
const MS_PER_SEC = 1_000

const REQUIRED = { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } }
const DECLARES = z.object({ [CLIENT_CAPABILITIES_META_KEY]: z.object({ extensions: z.object({ [TASKS_EXTENSION]: z.object({}) }) }) })

/** Whether this very request takes a task instead of a result (ext-tasks, Capability Negotiation). */
function takesTasks(ctx: ServerContext): boolean {
  return DECLARES.safeParse(ctx.mcpReq.envelope ?? {}).success
}

function demandTasks(ctx: ServerContext): void {
  if (takesTasks(ctx)) return
  throw new ProtocolError(MISSING_CAPABILITY, 'Missing required client capability', REQUIRED)
}

/** The SDK's type of a result knows no tasks; its codec lets them pass. */
function created(task: SeedTask): CallToolResult {
  return { ...task, resultType: 'task' } as unknown as CallToolResult
}

const NO_INPUT = async (): Promise<never> => {
  throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'This tool asks in a task only')
}

type Work<Arguments> = (args: Arguments, task: TaskWork) => Promise<CallToolResult>

function taskTool<Input extends z.ZodType>(name: string, description: string, inputSchema: Input, work: Work<z.output<Input>>): ToolFixture {
  return tool(name, { description, inputSchema }, async (args, ctx, state): Promise<ToolAnswer> => {
    if (TASK_ONLY.has(name)) demandTasks(ctx)
    const parsed: z.output<Input> = inputSchema.parse(args)
    if (takesTasks(ctx)) return created(state.tasks.create((task) => work(parsed, task)))
    return work(parsed, { signal: ctx.mcpReq.signal, ask: NO_INPUT })
  })
}

/** Confirms by a form with these fields; undefined where the user did not accept. */
function confirmation(message: string, fields: Parameters<typeof form>[1]['properties']): InputRequest {
  return form(message, { type: 'object', properties: fields, required: Object.keys(fields) })
}

function contentOf(answer: unknown): Readonly<Record<string, unknown>> {
  return z.object({ action: z.literal('accept'), content: z.record(z.string(), z.unknown()).default({}) }).safeParse(answer).data?.content ?? {}
}

export const TASK_TOOLS: readonly ToolFixture[] = [
  tool('greet', { description: 'Greets, at once, with a task or without', inputSchema: z.object({ name: z.string() }) }, ({ name }) => text(`Hello, ${name}!`)),
  taskTool('slow_compute', 'Takes its time', z.object({ seconds: z.number().min(0).max(3_600).default(1), label: z.string().default('') }), async ({ seconds, label }, { signal }) => {
    await delay(seconds * MS_PER_SEC, undefined, { signal })
    return text(`Computed ${label} for ${seconds} s`)
  }),
  taskTool('failing_job', 'Fails as tools fail; only as a task', z.object({}), async () => ({ ...text('The job failed'), isError: true })),
  taskTool('protocol_error_job', 'Fails as servers fail', z.object({}), async () => {
    throw new ProtocolError(ProtocolErrorCode.InternalError, 'The job broke')
  }),
  taskTool('confirm_delete', 'Asks whether to go on', z.object({ filename: z.string() }), async ({ filename }, { ask }) => {
    const answers = await ask({ confirm: confirmation(`Delete ${filename}?`, { confirm: { type: 'boolean' } }) })
    return text(contentOf(answers['confirm'])['confirm'] === true ? `Deleted ${filename}` : `Kept ${filename}`)
  }),
  taskTool('multi_input', 'Asks for two things at once', z.object({}), async (_args, { ask }) => {
    const answers = await ask({ name: confirmation('Who are you?', { name: { type: 'string' } }), confirm: confirmation('Go on?', { confirm: { type: 'boolean' } }) })
    return text(`Got ${Object.keys(answers).length} answers`)
  }),
  tool('test_tool_with_task', { description: 'Asks for a name, then becomes a task', inputSchema: z.object({}) }, (_args, ctx, state) => {
    demandTasks(ctx)
    const name = accepted(ctx, 'user_name', ASK_NAME.answer)?.name
    if (name === undefined) return inputRequired({ inputRequests: { user_name: ASK_NAME.request } })
    return created(state.tasks.create(async () => text(`Hello from a task, ${name}!`)))
  }),
]

const BY_ID = z.object({ taskId: z.string() })

/** Tools that cannot answer without a task. */
const TASK_ONLY: ReadonlySet<string> = new Set(['failing_job', 'test_tool_with_task'])
const CALL = z.object({ id: z.union([z.string(), z.number()]), method: z.literal('tools/call'), params: z.object({ name: z.string(), _meta: z.unknown() }) })

/**
 * The refusal of a call that cannot be answered without a task, for a client that takes none; undefined for all else. What a tool throws
 * the SDK makes a result of: an error of the protocol has to come before it.
 */
export function refusalWithoutTasks(message: unknown): object | undefined {
  const call = CALL.safeParse(message)
  if (!call.success || !TASK_ONLY.has(call.data.params.name) || DECLARES.safeParse(call.data.params._meta).success) return undefined
  return { jsonrpc: '2.0', id: call.data.id, error: { code: MISSING_CAPABILITY, message: 'Missing required client capability', data: REQUIRED } }
}

/** `tasks/get`, `tasks/update` and `tasks/cancel`, for who declares the extension on the request. */
export function registerTasks({ server }: McpServer, { tasks }: ReferenceState): void {
  const unknown = (): ProtocolError => new ProtocolError(ProtocolErrorCode.InvalidParams, 'Task not found')
  server.setRequestHandler('tasks/get', { params: BY_ID, result: z.looseObject({}) }, ({ taskId }, ctx) => {
    demandTasks(ctx)
    const task = tasks.get(taskId)
    if (task === undefined) throw unknown()
    return { ...task, resultType: 'complete' }
  })
  server.setRequestHandler('tasks/update', { params: BY_ID, result: z.looseObject({}) }, ({ taskId }, ctx) => {
    demandTasks(ctx)
    // The SDK takes them out of the params, as of any retry.
    if (!tasks.update(taskId, ctx.mcpReq.inputResponses ?? {})) throw unknown()
    return { resultType: 'complete' }
  })
  server.setRequestHandler('tasks/cancel', { params: BY_ID, result: z.looseObject({}) }, ({ taskId }, ctx) => {
    demandTasks(ctx)
    if (!tasks.cancel(taskId)) throw unknown()
    return { resultType: 'complete' }
  })
}
