// One MCP server with all fixtures. It serves one request at 2026-07-28 over HTTP, and one connection everywhere else.
import { McpServer } from '@modelcontextprotocol/server'
import type { Implementation, McpServerOptions, ServerEvent } from '@modelcontextprotocol/server'
import { APP_TOOLS, registerApp } from './app.ts'
import { registerPrompts } from './prompts.ts'
import { registerResources } from './resources.ts'
import { SKILLS } from './skills.ts'
import type { ListName, ReferenceState } from './state.ts'
import { CHANGE_TOOLS, OPTIONAL_TOOL } from './tools-change.ts'
import { CONTENT_TOOLS } from './tools-content.ts'
import { INPUT_REQUIRED_TOOLS } from './tools-input-required.ts'
import { INPUT_TOOLS } from './tools-input.ts'
import { REPORT_TOOLS } from './tools-report.ts'
import { SCHEMA_TOOLS } from './tools-schema.ts'
import { registerTasks, TASK_TOOLS, TASKS_EXTENSION } from './tools-task.ts'
import type { ToolFixture } from './tool.ts'

const IDENTITY: Implementation = {
  name: 'portolan-reference-server',
  title: 'Portolan reference server',
  version: '1.0.0',
}
const TOOLS: readonly ToolFixture[] = [
  ...CONTENT_TOOLS, ...SCHEMA_TOOLS, ...REPORT_TOOLS, ...INPUT_TOOLS, ...INPUT_REQUIRED_TOOLS, ...CHANGE_TOOLS,
  ...APP_TOOLS, ...TASK_TOOLS,
]
const LIST_HINT = { ttlMs: 5_000, cacheScope: 'public' } as const
const OPTIONS = {
  capabilities: {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, subscribe: true },
    logging: {},
    completions: {},
  },
  instructions: 'A server for tests: every tool, prompt and resource shows one feature of the protocol.',
  cacheHints: {
    'server/discover': { ttlMs: 60_000, cacheScope: 'public' },
    'tools/list': LIST_HINT,
    'prompts/list': LIST_HINT,
    'resources/list': LIST_HINT,
    'resources/templates/list': LIST_HINT,
  },
} satisfies McpServerOptions

type Optional = Readonly<Record<ListName, { update: (change: { enabled: boolean }) => void }>>

function build(state: ReferenceState, era: 'legacy' | 'modern'): { server: McpServer; optional: Optional } {
  const extensions = era === 'modern' ? { extensions: { [TASKS_EXTENSION]: {} } } : {}
  const capabilities = { ...OPTIONS.capabilities, ...extensions }
  const server = new McpServer(IDENTITY, { ...OPTIONS, capabilities, requestState: { verify: state.requestState.verify } })
  if (era === 'modern') registerTasks(server, state)
  for (const register of TOOLS) register(server, state)
  registerApp(server)
  const optional: Optional = {
    tools: OPTIONAL_TOOL(server, state),
    prompts: registerPrompts(server),
    resources: registerResources(server, state),
  }
  SKILLS.attach(server)
  for (const list of ['tools', 'prompts', 'resources'] as const) optional[list].update({ enabled: state.shows(list) })
  return { server, optional }
}

/** A server for one request: it hears of no change, because the listen streams of the endpoint read the bus themselves. */
export function createRequestServer(state: ReferenceState): McpServer {
  return build(state, 'modern').server
}

/**
 * A server for one connection (a session over HTTP, or a stdio process in either era): it tells its client of every list
 * change, and of the resources that `wants` names. Closing it ends its subscription to the bus.
 */
export function createConnectionServer(state: ReferenceState, era: 'legacy' | 'modern'): McpServer {
  const { server, optional } = build(state, era)
  const subscribed = new Set<string>()
  server.server.setRequestHandler('resources/subscribe', ({ params }) => {
    subscribed.add(params.uri)
    return {}
  })
  server.server.setRequestHandler('resources/unsubscribe', ({ params }) => {
    subscribed.delete(params.uri)
    return {}
  })
  const tell = (event: ServerEvent): void => {
    if (event.kind !== 'resource_updated') {
      const list = LIST_OF_EVENT[event.kind]
      // Changing a registration is what makes the SDK send the list change.
      optional[list].update({ enabled: state.shows(list) })
    } else if (era === 'modern' || subscribed.has(event.uri)) {
      // The stdio entry filters by the URIs of each open listen; a legacy connection has only our own set.
      void server.server.sendResourceUpdated({ uri: event.uri }).catch(() => undefined)
    }
  }
  const unsubscribe = state.bus.subscribe((event) => {
    if (server.isConnected()) tell(event)
  })
  server.server.onclose = unsubscribe
  return server
}

const LIST_OF_EVENT = {
  tools_list_changed: 'tools',
  prompts_list_changed: 'prompts',
  resources_list_changed: 'resources',
} as const
