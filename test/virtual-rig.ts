/** Servers with something of every kind, virtual servers over them, and clients of either era. */
import { expect } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import type { ReplaceableSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import type { GatewayDeps } from '../src/core/gateway/context.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { HttpServer, ItemOverride, ServerSnapshot, Snapshot, VirtualServerSnapshot, VirtualUse } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor, ActorCall } from './fixtures/upstream/actor.ts'
import { configOf } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, legacy, messageOf, modern, openSession } from './mcp-client.ts'
import type { Asked } from './mcp-client.ts'

export const ERAS = ['legacy', 'modern'] as const
export type Era = (typeof ERAS)[number]
export const TASKS = { 'io.modelcontextprotocol/clientCapabilities': { extensions: { 'io.modelcontextprotocol/tasks': {} } } }

export const TOOLS = [
  { name: 'read', description: 'Reads.', inputSchema: { type: 'object', properties: { path: { type: 'string' }, depth: { type: 'integer' } }, required: ['path', 'depth'] }, annotations: { readOnlyHint: true }, _meta: { kept: 1 }, icons: [] },
  { name: 'write', inputSchema: { type: 'object', properties: { region: { type: 'string', 'x-mcp-header': 'Region' }, team: { type: 'string', 'x-mcp-header': 'Team' } } } },
  { name: 'search', inputSchema: { type: 'object' } },
  { name: 'hold', inputSchema: { type: 'object' } },
  { name: 'begin', inputSchema: { type: 'object' } },
  { name: 'ask', inputSchema: { type: 'object' } },
]
const LISTS = {
  'tools/list': { tools: TOOLS },
  'prompts/list': { prompts: [{ name: 'greet', arguments: [{ name: 'who', required: true }, { name: 'tone' }] }, { name: 'secret' }] },
  'resources/list': { resources: [{ uri: 'doc://a', name: 'a' }, { uri: 'doc://b', name: 'b', annotations: { priority: 1 } }, { uri: 'log://x', name: 'x' }] },
  'resources/templates/list': { resourceTemplates: [{ uriTemplate: 'row://{table}/{id}', name: 'row' }, { uriTemplate: 'log://{name}', name: 'log' }] },
}

/** Calls of `hold`, which wait for the test; of the actor that was started last. */
export let held: ActorCall[] = []
/** Calls of `lose`, which are never answered. */
export let lost: string[] = []

/** Tools, prompts, resources and templates of every kind; closed after the test. */
export function startNamed(eras: readonly Era[] = ERAS, lists: Record<string, object> = {}): Promise<Actor> {
  held = []
  lost = []
  const acts: Record<string, Act> = {
    hold: (call) => void held.push(call),
    begin: (call) => call.answer(eras.includes('modern') && call.request.headers['mcp-session-id'] === undefined ? { resultType: 'task', taskId: 'task-1', status: 'working' } : { task: { taskId: 'task-1', status: 'working' } }),
    lose: ({ request, response }) => void (lost.push(request.body), response.destroy()),
    ask(call) {
      const params = call.request.json.params ?? {}
      if (params['requestState'] === undefined) call.answer({ resultType: 'input_required', requestState: 'step-1', inputRequests: {} })
      else call.answer({ state: params['requestState'] })
    },
  }
  return startActor(eras, acts, { lists: { ...LISTS, ...lists } }).then(closeAfter)
}

export type Described = Partial<Omit<VirtualServerSnapshot, 'name' | 'use' | 'overrides'>> & {
  readonly use: readonly VirtualUse[]
  readonly tools?: Record<string, ItemOverride>
  readonly prompts?: Record<string, ItemOverride>
  readonly resources?: Record<string, ItemOverride>
}

export function virtual(name: string, { tools = {}, prompts = {}, resources = {}, ...rest }: Described): VirtualServerSnapshot {
  return { name, overrides: { tools, prompts, resources }, ...rest }
}

export interface Built {
  readonly rig: Rig
  readonly source: ReplaceableSnapshotSource
  replace(virtualServers: readonly VirtualServerSnapshot[]): void
}

let digests = 0

interface BuildOptions {
  readonly pageSize?: number
  /** Of every server. */
  readonly server?: Partial<ServerSnapshot>
  readonly deps?: Partial<GatewayDeps>
}

/** A gateway whose configuration the test can replace. */
export async function build(servers: Record<string, HttpServer>, virtualServers: readonly VirtualServerSnapshot[], { pageSize = 100, server = {}, deps = {} }: BuildOptions = {}): Promise<Built> {
  const first: Snapshot = {
    digest: 'first',
    servers: Object.entries(servers).map(([name, target]) => configOf(target, { id: name, name, ...server })),
    virtualServers,
    separator: '__',
    pageSize,
    limits: DEFAULT_LIMITS,
  }
  const source = createSnapshotSource(first)
  const rig = await startRig({ deps: { snapshots: source, ...deps } })
  digests += 1
  return { rig, source, replace: (next) => source.replace({ ...source.current(), digest: `next ${(digests += 1)}`, virtualServers: next }) }
}

/** One client of either era at one endpoint. */
export interface Client {
  ask(method: string, params?: Record<string, unknown>, asked?: Asked): Promise<Answer>
  result(method: string, params?: Record<string, unknown>, asked?: Asked): Promise<Record<string, unknown>>
  readonly session: string
}

export async function clientAt({ rig }: Built, era: Era, path: string, asked: Asked & { readonly capabilities?: Record<string, unknown> } = {}): Promise<Client> {
  const session = era === 'legacy' ? await openSession(rig.port, { path, ...asked }) : ''
  const ask = (method: string, params: Record<string, unknown> = {}, more: Asked = {}): Promise<Answer> =>
    era === 'legacy' ? legacy(rig.port, session, method, params, { path, ...asked, ...more }) : modern(rig.port, method, params, { path, ...asked, ...more })
  return {
    session,
    ask,
    async result(method, params, more) {
      const message = messageOf(await ask(method, params, more))
      expect(message, method).toHaveProperty('result')
      return message['result'] as Record<string, unknown>
    },
  }
}

export type Item = Record<string, unknown>
export const namesOf = (items: unknown, key = 'name'): unknown[] => (items as Item[]).map((item) => item[key])

/** What is hidden and what never was are answered alike, but for the name. */
export async function expectUnknown(client: Client, method: string, params: (name: string) => Record<string, unknown>, hidden: readonly string[], never: string): Promise<void> {
  const seen = ({ status, text }: Answer, name: string): unknown => [status, text.replaceAll(JSON.stringify(name).slice(1, -1), '<name>')]
  const unknown = await client.ask(method, params(never))
  expect(codeOf(unknown)).not.toBe(0)
  for (const name of hidden) expect(seen(await client.ask(method, params(name)), name), name).toEqual(seen(unknown, never))
}
