// The reference client as the official suite drives it: one scenario a process, its name in the environment, its server's URL last.
import { connect } from '../src/apps/client/connect.ts'
import type { Connection } from '../src/apps/client/connection.ts'
import { withDefaults } from '../src/apps/client/input.ts'
import type { InputHandler } from '../src/apps/client/input.ts'
import { listAll } from '../src/apps/client/lists.ts'
import { toolHeaderFault } from '../src/apps/client/tool-headers.ts'
import { isJsonObject } from '../src/protocol/json-value.ts'
import type { JsonObject } from '../src/protocol/json-value.ts'
import { eraOf, isRevision } from '../src/protocol/revision.ts'

const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const revision = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] ?? ''
const context: unknown = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}')
const url = process.argv.at(-1) ?? ''

/** Accepts every form with one field, or with its defaults only. */
function answering(content: JsonObject): InputHandler {
  return {
    elicit: (params) => Promise.resolve(withDefaults(params, { action: 'accept', content })),
    sample: () => Promise.resolve({ role: 'assistant', model: 'none', content: { type: 'text', text: 'conformance' } }),
    roots: () => [{ uri: 'file:///conformance' }],
  }
}

function open(input?: InputHandler): Promise<Connection> {
  return connect({
    target: { kind: 'http', url, headers: {} },
    era: isRevision(revision) ? eraOf(revision) : 'auto',
    clientInfo: { name: 'portolan-conformance', version: '1.0.0' },
    input,
  })
}

/** The tools that may be called: those with broken header rules are left out. */
async function toolsOf(connection: Connection): Promise<readonly JsonObject[]> {
  const { items } = await listAll(connection, 'tools')
  return items.filter((tool) => toolHeaderFault(tool) === '')
}

async function call(connection: Connection, tool: JsonObject, args: JsonObject): Promise<void> {
  await connection.request('tools/call', { name: tool['name'] ?? '', arguments: args }, { tool })
}

async function callAll(connection: Connection, argumentsFor: (tool: JsonObject, tools: readonly JsonObject[]) => JsonObject | undefined): Promise<void> {
  const tools = await toolsOf(connection)
  for (const tool of tools) {
    const args = argumentsFor(tool, tools)
    if (args !== undefined) await call(connection, tool, args)
  }
}

async function readAll(connection: Connection): Promise<void> {
  await callAll(connection, () => ({}))
  for (const { uri = '' } of (await listAll(connection, 'resources')).items) await connection.request('resources/read', { uri })
  for (const { name = '' } of (await listAll(connection, 'prompts')).items) await connection.request('prompts/get', { name, arguments: {} })
}

async function callAsTold(connection: Connection): Promise<void> {
  const calls = isJsonObject(context) && Array.isArray(context['toolCalls']) ? context['toolCalls'].filter(isJsonObject) : []
  const tools = await toolsOf(connection)
  for (const { name, arguments: args } of calls) {
    const tool = tools.find((one) => one['name'] === name)
    if (tool !== undefined) await call(connection, tool, isJsonObject(args) ? args : {})
  }
}

const SCENARIOS: Readonly<Record<string, () => Promise<void>>> = {
  initialize: () => within(open(), async (connection) => void (await listAll(connection, 'tools'))),
  tools_call: () => within(open(), (connection) => callAll(connection, () => ({ a: 5, b: 3 }))),
  'elicitation-sep1034-client-defaults': () => within(open(answering({})), (connection) => callAll(connection, () => ({}))),
  'sse-retry': () => within(open(), (connection) => callAll(connection, () => ({}))),
  'request-metadata': () => within(open(answering({})), async (connection) => void (await connection.request('tools/list', {}))),
  'sep-2322-client-request-state': () => within(open(answering({ confirmed: true })), (connection) => callAll(connection, () => ({}))),
  'http-standard-headers': () => within(open(), readAll),
  'http-custom-headers': () => within(open(), callAsTold),
  'http-invalid-tool-headers': () => within(open(), (connection) => callAll(connection, () => ({ region: 'us-west1' }))),
  'json-schema-ref-no-deref': () => within(open(), async (connection) => void (await listAll(connection, 'tools'))),
  'json-schema-2020-12-preservation': () => within(open(), (connection) => callAll(connection, ({ name }, tools) => (
    name === 'json_schema_echo' ? { schema: tools.find((tool) => tool['name'] === 'json_schema_2020_12_tool')?.['inputSchema'] ?? {} } : undefined
  ))),
}

async function within(opening: Promise<Connection>, use: (connection: Connection) => Promise<void>): Promise<void> {
  const connection = await opening
  try {
    await use(connection)
  } finally {
    await connection.close()
  }
}

const run = SCENARIOS[scenario]
if (run === undefined) throw new Error(`No scenario ${scenario} is known here.`)
await run()
