/** Virtual servers in the configuration: what is wrong with them as written, and what they become in the snapshot. */

import type { ItemOverride, VirtualServerSnapshot } from '../../core/gateway/snapshot.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { isReserved, isServable } from './config-name.ts'
import { nearest, pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import { resolveText } from './config-reference.ts'
import type { ReferenceScope } from './config-reference.ts'
import type { VirtualServerOptions } from './config-schema.ts'
import type { Config, ConfiguredServer } from './config.ts'

type Written = Readonly<Record<string, VirtualServerOptions>>
type Overrides = Readonly<Record<string, ItemOverride>>

const KINDS = ['tools', 'prompts', 'resources'] as const
type Kind = (typeof KINDS)[number]

const SELECTIONS = ['tools', 'prompts', 'resources', 'templates'] as const

/** A server as the file calls it, or as it is served. */
function serverCalled(servers: readonly ConfiguredServer[], name: string): ConfiguredServer | undefined {
  return servers.find(({ key }) => key === name) ?? servers.find((server) => server.name === name)
}

/** Adds what is wrong whatever the servers turn out to have: their lists are known at run time only. */
export function checkVirtualServers(written: Written, servers: readonly ConfiguredServer[], problems: ConfigProblem[]): void {
  const takenBy = new Map(servers.map(({ name, path }) => [name.toLowerCase(), pathText(path)]))
  for (const [name, options] of Object.entries(written)) {
    const path = ['portolan', 'virtualServers', name]
    const note: Note = (keys, problem, fix) => void problems.push({ path: pathText([...path, ...keys]), problem, fix })
    checkName(name, takenBy, note)
    if (!takenBy.has(name.toLowerCase())) takenBy.set(name.toLowerCase(), pathText(path))
    checkUse(options, servers, note)
    for (const kind of KINDS) checkOverrides(kind, options, servers, note)
  }
}

type Note = (keys: readonly PropertyKey[], problem: string, fix: string) => void

function checkName(name: string, takenBy: ReadonlyMap<string, string>, note: Note): void {
  const other = takenBy.get(name.toLowerCase())
  if (!isServable(name)) note([], 'its name does not fit into a URL', 'Rename it: a letter or digit, then letters, digits and . _ ~ -, at most 64')
  else if (isReserved(name)) note([], `"${name}" is a reserved name: /${name.toLowerCase()} is Portolan's own`, 'Rename the virtual server')
  else if (other !== undefined) note([], `its name is also that of ${other}`, 'Rename one of them')
}

function checkUse({ use }: VirtualServerOptions, servers: readonly ConfiguredServer[], note: Note): void {
  const seen = new Set<ConfiguredServer>()
  for (const [index, one] of use.entries()) {
    const server = serverCalled(servers, one.server)
    if (server === undefined) {
      const near = nearest(one.server, servers.map(({ key }) => key))
      note(['use', index, 'server'], 'no server has this name', near === undefined ? 'Name one of mcpServers' : `Did you mean ${near}?`)
    } else if (seen.has(server)) note(['use', index, 'server'], 'this server is used already', 'Put all its globs into one entry')
    else seen.add(server)
    for (const kind of SELECTIONS) {
      const empty = one[kind]?.findIndex((pattern) => pattern === '!') ?? -1
      if (empty >= 0) note(['use', index, kind, empty], 'it excludes nothing', 'Write a glob behind the !')
    }
  }
}

function checkOverrides(kind: Kind, options: VirtualServerOptions, servers: readonly ConfiguredServer[], note: Note): void {
  const used = usedBy(options, servers)
  const calledBy = new Map<string, string>()
  for (const [key, override] of Object.entries<ItemOverride>(options[kind] ?? {})) {
    const [server = ''] = key.split('/')
    // A URI has slashes of its own; a tool with one in its name needs its server before it.
    if (kind !== 'resources' && key.includes('/') && ownerOf(key, used) === undefined) {
      const near = nearest(server, used.map((one) => one.key))
      note([kind, key], `this virtual server does not use ${JSON.stringify(server)}`, near === undefined ? 'Add it to use, or remove this' : `Did you mean ${near}/…?`)
    }
    const name = kind === 'resources' ? undefined : override.name
    const other = name === undefined ? undefined : calledBy.get(name)
    if (other !== undefined) note([kind, key, 'name'], `${JSON.stringify(other)} gets the same name`, 'Give each its own')
    else if (name !== undefined) calledBy.set(name, key)
  }
}

function usedBy({ use }: VirtualServerOptions, servers: readonly ConfiguredServer[]): readonly ConfiguredServer[] {
  return use.flatMap(({ server }) => serverCalled(servers, server) ?? [])
}

/** The server before the slash, and what the key becomes in the snapshot, which knows servers as they are served. */
function ownerOf(key: string, used: readonly ConfiguredServer[]): string | undefined {
  for (const { key: written, name } of used) {
    for (const called of [written, name]) if (key.startsWith(`${called}/`)) return `${name}${key.slice(called.length)}`
  }
  return undefined
}

/** Resolves references in fixed values; adds a problem for each that leads nowhere. */
export function compileVirtualServers(config: Config, scope: ReferenceScope, problems: ConfigProblem[]): readonly VirtualServerSnapshot[] {
  return Object.entries(config.portolan.virtualServers ?? {}).map(([name, options]) => {
    const { title, description, instructions, use } = options
    const used = usedBy(options, config.servers)
    const overridesOf = (kind: Kind): Overrides =>
      Object.fromEntries(
        Object.entries<ItemOverride>(options[kind] ?? {}).map(([key, override]) => {
          const resolve = resolverAt(['portolan', 'virtualServers', name, kind, key, 'arguments'], scope, problems)
          const fixed = override.arguments === undefined ? {} : { arguments: resolveMembers(override.arguments, [], resolve) }
          return [ownerOf(key, used) ?? key, { ...override, ...fixed }]
        }),
      )
    return {
      name,
      title,
      description,
      instructions,
      use: use.map((one) => ({ ...one, server: serverCalled(config.servers, one.server)?.name ?? one.server })),
      overrides: { tools: overridesOf('tools'), prompts: overridesOf('prompts'), resources: overridesOf('resources') },
    }
  })
}

type Resolve = (text: string, keys: readonly PropertyKey[]) => string

function resolverAt(path: readonly PropertyKey[], scope: ReferenceScope, problems: ConfigProblem[]): Resolve {
  return (text, keys) => {
    const resolved = resolveText(text, 'value', scope)
    if (resolved.ok) return resolved.value
    problems.push({ path: pathText([...path, ...keys]), problem: resolved.fault.problem, fix: resolved.fault.fix })
    return ''
  }
}

function resolveMembers(object: JsonObject, keys: readonly PropertyKey[], resolve: Resolve): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, resolveValue(value, [...keys, key], resolve)]))
}

function resolveValue(value: JsonValue, keys: readonly PropertyKey[], resolve: Resolve): JsonValue {
  if (typeof value === 'string') return resolve(value, keys)
  if (Array.isArray(value)) return (value satisfies readonly JsonValue[]).map((one, index) => resolveValue(one, [...keys, index], resolve))
  return isJsonObject(value) ? resolveMembers(value, keys, resolve) : value
}
