/** How the client whose file it is writes a server: learned from the place of the servers and from those that stand there. */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { SERVER_PLACES } from './config-servers.ts'
import type { Config } from './config.ts'

/** A server to be written. Texts may hold references; `env` values of undefined become one to the variable of that name. */
export interface NewServer {
  readonly target:
    | { readonly command: string; readonly args: readonly string[]; readonly env: Readonly<Record<string, string | undefined>>; readonly cwd: string | undefined }
    | { readonly url: string; readonly headers: Readonly<Record<string, string>> }
  readonly disabled: boolean
}

/** Where new servers go in a file. */
export interface ServersPlace {
  readonly path: readonly string[]
  readonly kind: 'map' | 'list'
  /** How many items a list has. */
  readonly count: number
  /** The entries that stand there. */
  readonly entries: readonly JsonObject[]
  /** The file has an object of Portolan's own, or is new: references may be Portolan's own. */
  readonly isOwn: boolean
}

/** The first place that the file has, else where its servers stand loosely, else `mcpServers`. */
export function placeForServers(root: JsonObject, config: Config): ServersPlace {
  const path = SERVER_PLACES.find((keys) => valueAt(root, keys) !== undefined) ?? loosePlace(config) ?? ['mcpServers']
  const value = valueAt(root, path)
  const items: readonly JsonValue[] = Array.isArray(value) ? value : value !== undefined && isJsonObject(value) ? Object.values(value) : []
  const isNew = items.length === 0 && Object.keys(root).every((key) => key === 'mcpServers' || key === '$schema')
  const isOwn = Object.hasOwn(root, 'portolan') || isNew
  return { path, kind: Array.isArray(value) ? 'list' : 'map', count: items.length, entries: items.filter(isJsonObject), isOwn }
}

function valueAt(root: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = root
  for (const key of path) value = value !== undefined && isJsonObject(value) ? ownMember(value, key) : undefined
  return value
}

function loosePlace(config: Config): readonly string[] | undefined {
  return config.servers[0]?.path.slice(0, -1).map(String)
}

/** The entry as that client would write it. */
export function spellEntry(server: NewServer, place: ServersPlace, name: string): JsonObject {
  const isOpenCode = place.path.join('.') === 'mcp' && place.entries.some((entry) => Array.isArray(entry['command']) || entry['type'] === 'local' || entry['type'] === 'remote')
  const { target } = server
  const spelled = 'url' in target ? spellHttp(target, place, isOpenCode) : spellStdio(target, place, isOpenCode)
  const usesEnabled = isOpenCode || place.entries.some((entry) => Object.hasOwn(entry, 'enabled'))
  return {
    ...(place.kind === 'list' ? { name } : {}),
    ...spelled,
    ...(server.disabled ? (usesEnabled ? { enabled: false } : { disabled: true }) : {}),
  }
}

type Stdio = Extract<NewServer['target'], { readonly command: string }>
type Http = Extract<NewServer['target'], { readonly url: string }>

function spellStdio({ command, args, env, cwd }: Stdio, place: ServersPlace, isOpenCode: boolean): JsonObject {
  const variables = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, value ?? variableReference(name, place, isOpenCode)]))
  const hasEnv = Object.keys(variables).length > 0
  if (isOpenCode) return { type: 'local', command: [command, ...args], ...(hasEnv ? { environment: variables } : {}), ...(cwd === undefined ? {} : { cwd }) }
  return {
    ...typeOf(place, 'stdio', ['command', 'cmd']),
    command,
    ...(args.length === 0 ? {} : { args }),
    ...(hasEnv ? { env: variables } : {}),
    ...(cwd === undefined ? {} : { cwd }),
  }
}

function spellHttp({ url, headers }: Http, place: ServersPlace, isOpenCode: boolean): JsonObject {
  const hasHeaders = Object.keys(headers).length > 0
  if (isOpenCode) return { type: 'remote', url, ...(hasHeaders ? { headers } : {}) }
  const sibling = place.entries.find((entry) => URL_KEYS.some((key) => Object.hasOwn(entry, key)))
  const urlKey = URL_KEYS.find((key) => sibling !== undefined && Object.hasOwn(sibling, key)) ?? 'url'
  const isNested = place.entries.some((entry) => Object.hasOwn(entry, 'requestInit'))
  return {
    ...typeOf(place, 'http', URL_KEYS),
    [urlKey]: url,
    ...(hasHeaders ? (isNested ? { requestInit: { headers } } : { headers }) : {}),
  }
}

const URL_KEYS = ['httpUrl', 'url', 'serverUrl']

/** VS Code asks for it; elsewhere it is written where the neighbours have it. */
function typeOf(place: ServersPlace, kind: 'stdio' | 'http', keys: readonly string[]): JsonObject {
  const sibling = place.entries.find((entry) => keys.some((key) => Object.hasOwn(entry, key)))
  const spelled = (['type', 'transport'] as const).find((key) => sibling !== undefined && typeof sibling[key] === 'string')
  const said = spelled === undefined ? undefined : sibling?.[spelled]
  if (spelled !== undefined && typeof said === 'string' && said !== 'sse') return { [spelled]: said }
  const wanted = place.path.at(-1) === 'servers' || (place.path.join('.') === 'mcp' && place.entries.length > 0)
  return wanted ? { type: kind } : {}
}

/** In the client's own words, so that it can still read its file. */
function variableReference(name: string, place: ServersPlace, isOpenCode: boolean): string {
  if (isOpenCode) return `{env:${name}}`
  if (place.path.at(-1) === 'servers') return `\${env:${name}}`
  return place.isOwn ? `env:${name}` : `\${${name}}`
}
