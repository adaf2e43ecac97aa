/**
 * What the admin API answers, as zod schemas: the OpenAPI document is made of them, and tests hold every answer against them.
 * Strict, so that a member that nobody described is found there; clients are told to expect more.
 */

import { z } from 'zod'
import { FAILURE_CLASSES, TASK_PHASES } from '../../core/task/stored-task.ts'

const atMs = (what: string) => z.int().min(0).describe(`${what}, in milliseconds since 1970`)
const count = (what: string) => z.int().min(0).describe(what)
const object = z.record(z.string(), z.unknown())

const REASONS = [...FAILURE_CLASSES, 'lost', 'deadline'] as const
const CONTENT = 'with `content=true` only'

const row = {
  id: z.string(),
  phase: z.enum(TASK_PHASES),
  server: z.string().describe('The server\'s id'),
  tool: z.string().describe('The server\'s own name of it'),
  owner: z.string().describe('Whose it is, as the ledger names principals'),
  attempts: count('Begun so far'),
  reason: z.enum([...REASONS, '']).describe('Why the last attempt that failed did; empty for none'),
  message: z.string().optional().describe(`What its owner sees as the status message; ${CONTENT}`),
  createdAtMs: atMs('When it was made'),
  updatedAtMs: atMs('When it changed last'),
  nextAtMs: atMs('Not tried before; 0 where it is not queued'),
  holder: z.string().describe('The replica that tries it; empty for none'),
  retriedAs: z.string().describe('The task that a retry made of it; empty for none'),
}
const task = z.strictObject(row)
const taskList = z.strictObject({
  tasks: z.array(task).describe('By creation, the oldest first'),
  next: z.string().optional().describe('`after` of the next page; not there on the last one. There may be one though this page is not full'),
})
const question = z.strictObject({
  key: z.string().describe('As `asks` has it'),
  method: z.string().describe('What is asked for: `elicitation/create`, `sampling/createMessage` or `roots/list`'),
  message: z.string().describe('What the person is asked, or the last words to the model; empty for what has no words'),
  schema: object.optional().describe('Of the form, as JSON Schema'),
  url: z.string().optional().describe('The page that the person is to open, without user, query, fragment, and what looks like a key in its path; empty for what is no web page'),
})
const taskDetail = z.strictObject({
  ...row,
  endpoint: z.string().describe('Where it was called; empty for `/mcp`'),
  epoch: count('Of its lease: one more at each claim'),
  isDispatched: z.boolean().describe('This attempt may have reached the server'),
  isRepeatable: z.boolean().describe('It may run twice'),
  maxAttempts: count('Attempts in all'),
  isOfServer: z.boolean().describe('Its server made it: it is followed there, and never tried'),
  deadlineAtMs: atMs('It has failed after that'),
  expiresAtMs: atMs('It is kept until then, once it has ended'),
  requestBytes: count('Of what its owner sent'),
  resultBytes: count('Of what its owner gets'),
  asks: z.array(z.string()).describe('Keys of the input that it waits for'),
  questions: z.array(question).optional().describe(`What is asked under each of them; ${CONTENT}`),
  failures: z
    .array(z.strictObject({ attempt: count('Which attempt'), atMs: atMs('When'), reason: z.enum(REASONS), message: z.string().optional().describe(`In words; ${CONTENT}`) }))
    .describe('The last ones, the newest last'),
  serverTask: z.string().optional().describe(`The server's own id of it; empty for a task of Portolan's; ${CONTENT}`),
  request: z.string().optional().describe(`What its owner sent; ${CONTENT}`),
  result: z.string().optional().describe(`What its owner gets; ${CONTENT}`),
})

const era = z.strictObject({ revision: z.string(), serverInfo: object, capabilities: object, instructions: z.string() }).nullable()
const counts = z
  .strictObject(Object.fromEntries((['tools', 'prompts', 'resources', 'templates', 'skills'] as const).map((kind) => [kind, count('Items').nullable()])) as Record<'tools' | 'prompts' | 'resources' | 'templates' | 'skills', z.ZodNullable<z.ZodInt>>)
  .describe('Items of each list; null for one that no client has asked for yet')
const server = z.strictObject({
  id: z.string(),
  name: z.string(),
  transport: z.string(),
  state: z.enum(['starting', 'ready', 'degraded', 'stopped']),
  detail: z.string().describe('Why it is degraded, and what to do'),
  eras: z.array(z.enum(['legacy', 'modern'])),
  children: count('Child processes'),
  sessions: count('Legacy sessions open with it'),
  restarts: count('Of its children so far'),
  lastSeenAtMs: atMs('When it answered last; 0 for never'),
  breaker: z.looseObject({ state: z.string() }),
  processes: z.array(z.strictObject({ pid: z.int(), era: z.enum(['legacy', 'modern']), startedAtMs: atMs('Since when') })),
  faults: z.array(z.strictObject({ atMs: atMs('When'), detail: z.string() })).describe('The last five, the newest last'),
  counts,
  legacy: era.describe('What it says of itself to legacy clients; null where it speaks no legacy revision'),
  modern: era.describe('What it says of itself to modern clients'),
  names: z.array(z.looseObject({ name: z.string(), exposedAs: z.string() })).describe('Tools and prompts that are called otherwise on `/mcp`'),
  listFaults: z.array(z.string()).describe('Items that are left out of lists, and why'),
})
const virtualServer = z.strictObject({ name: z.string(), servers: z.array(z.string()), counts, notices: z.array(z.string()).describe('What its settings say in vain') })
const serverList = z.strictObject({ servers: z.array(server), virtualServers: z.array(virtualServer) })

/** Loose where parts of the process tell of themselves: each adds what it has to tell. */
const status = z.looseObject({
  version: z.string(),
  pid: z.int(),
  startedAtMs: atMs('When the process started'),
  state: z.enum(['starting', 'ready', 'draining']),
  listening: z.array(z.string()),
  auth: z.enum(['token', 'none']),
  config: z.looseObject({ source: z.string(), digest: z.string(), loadedAtMs: atMs('When it was read'), refusal: z.string().describe('Why the last reload was refused') }),
  store: z.looseObject({ name: z.string(), reachable: z.boolean() }),
  replica: z.looseObject({ id: z.string(), address: z.string(), peers: z.array(z.string()), unreachable: z.array(z.looseObject({ id: z.string(), address: z.string() })), otherTokens: z.array(z.string()) }).nullable().describe('Null for a process that shares its state with nobody'),
  workers: z.array(z.looseObject({ number: z.int(), state: z.string(), pid: z.int() })).describe('With some, the numbers here are sums over them'),
  sessions: count('Live legacy sessions'),
  exchangesInFlight: count('Requests being served'),
  ledgerLostCount: count('Records that could not be written'),
  memoryBytes: count('Resident memory of the process'),
  servers: z.array(server),
  virtualServers: z.array(virtualServer),
})

const replicaList = z.strictObject({
  self: z.string().describe('The one that answers; empty where several workers do, or there are no others'),
  replicas: z.array(z.strictObject({ id: z.string(), version: z.string(), address: z.string().describe('Of its peer listener') })),
})

const names = z.array(z.string())
const change = z.strictObject({ added: names, removed: names, changed: names, renamed: z.array(z.strictObject({ from: z.string(), to: z.string() })), settings: names, atNextStart: names })
const reload = z.union([
  z.strictObject({ outcome: z.enum(['changed', 'unchanged']), source: z.string(), digest: z.string(), change }),
  z.strictObject({ outcome: z.literal('refused'), source: z.string(), problems: z.array(z.strictObject({ path: z.string(), problem: z.string(), fix: z.string() })) }),
])

const problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().describe('What to do about it'),
  code: z.string().describe('Stable'),
})

const openapi = z.looseObject({ openapi: z.string(), info: object, paths: object })

/** By their names in the document. */
export const RESOURCES = {
  Status: status, Server: server, VirtualServer: virtualServer, ServerList: serverList, ReplicaList: replicaList, Reload: reload,
  Task: task, TaskList: taskList, TaskDetail: taskDetail, Problem: problem, Document: openapi,
} as const satisfies Record<string, z.ZodType>
