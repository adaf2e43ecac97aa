/**
 * Finds the servers in a configuration file as MCP clients write it, whichever client wrote it, and brings the many
 * spellings to one form. Texts stay as written: references are resolved later. Unknown members are left alone.
 */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'

export interface WrittenStdio {
  readonly transport: 'stdio'
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** VS Code: a file of NAME=value lines; `env` wins over it. */
  readonly envFile: string | undefined
  readonly cwd: string | undefined
}

export interface WrittenHttp {
  readonly transport: 'http'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
}

/** One server as the file has it. */
export interface WrittenServer {
  /** As written; the name that is served is derived from it. */
  readonly key: string
  /** For messages: `mcpServers.files`. */
  readonly path: readonly PropertyKey[]
  readonly enabled: boolean
  readonly target: WrittenStdio | WrittenHttp
}

export interface WrittenServers {
  readonly servers: readonly WrittenServer[]
  readonly problems: readonly ConfigProblem[]
  /** Whether the file has a place for servers at all. */
  readonly found: boolean
}

/** Where clients keep their servers: Claude, Cursor, Windsurf …; VS Code; VS Code settings and OpenCode; Zed; Amp. */
export const SERVER_PLACES: readonly (readonly string[])[] = [
  ['mcpServers'],
  ['servers'],
  ['mcp', 'servers'],
  ['mcp', 'mcpServers'],
  ['context_servers'],
  ['amp.mcpServers'],
]

const STDIO_TYPES = ['stdio', 'local']
const HTTP_TYPES = ['http', 'sse', 'streamable-http', 'streamableHttp', 'streamable_http', 'remote']
const COMMAND_KEYS = ['command', 'cmd']
const ENV_KEYS = ['env', 'environment', 'envs']
const CWD_KEYS = ['cwd', 'workingDirectory']
const URL_KEYS = ['httpUrl', 'url', 'serverUrl', 'uri']
const HEADERS_KEYS = ['headers', 'http_headers']
const HEADER_ENV_KEYS = ['env_http_headers', 'header_env']
const BEARER_ENV_KEYS = ['bearer_token_env_var', 'bearer_token_env']

interface Found {
  readonly path: readonly PropertyKey[]
  readonly key: string
  readonly entry: JsonValue
}

/** Collects from every place that the file uses, in the order of the file. */
export function readServers(root: JsonObject): WrittenServers {
  const problems: ConfigProblem[] = []
  const places = SERVER_PLACES.map((path) => ({ path, value: at(root, path) })).filter(({ value }) => value !== undefined)
  const found = places.flatMap(({ path, value }) => membersOf(path, value, problems))
  if (places.length === 0) found.push(...looseMembers(root))
  const servers = found.flatMap(({ path, key, entry }) => readServer(path, key, entry, problems))
  return { servers, problems, found: places.length > 0 || found.length > 0 }
}

function at(root: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = root
  for (const key of path) value = value !== undefined && isJsonObject(value) ? ownMember(value, key) : undefined
  return value
}

function membersOf(path: readonly string[], value: JsonValue | undefined, problems: ConfigProblem[]): Found[] {
  if (Array.isArray(value)) return namedItems(path, value, problems)
  if (value !== undefined && isJsonObject(value)) {
    return Object.entries(value).map(([key, entry]) => ({ path: [...path, key], key, entry }))
  }
  problems.push({ path: pathText(path), problem: 'not an object', fix: 'Write { "name": { "command": … } }' })
  return []
}

/** Continue writes a list of servers with their names inside. */
function namedItems(path: readonly string[], items: readonly JsonValue[], problems: ConfigProblem[]): Found[] {
  return items.flatMap((entry, index) => {
    const name = isJsonObject(entry) ? ownMember(entry, 'name') : undefined
    if (typeof name === 'string') return [{ path: [...path, index], key: name, entry }]
    problems.push({ path: pathText([...path, index]), problem: 'a server without a name', fix: 'Give it a "name"' })
    return []
  })
}

/** `mcp` of OpenCode and Crush maps names to servers; Copilot's project file is such a map itself. */
function looseMembers(root: JsonObject): Found[] {
  const mcp = ownMember(root, 'mcp')
  const [path, map] = mcp !== undefined && isJsonObject(mcp) ? [['mcp'], mcp] : [[], root]
  return Object.entries(map)
    .filter(([key, entry]) => key !== 'portolan' && isJsonObject(entry) && looksLikeServer(entry))
    .map(([key, entry]) => ({ path: [...path, key], key, entry }))
}

function looksLikeServer(entry: JsonObject): boolean {
  return [...COMMAND_KEYS, ...URL_KEYS].some((key) => Object.hasOwn(entry, key))
}

function readServer(path: readonly PropertyKey[], key: string, entry: JsonValue, problems: ConfigProblem[]): WrittenServer[] {
  if (!isJsonObject(entry)) {
    problems.push({ path: pathText(path), problem: 'not an object', fix: 'Write { "command": … } or { "url": … }' })
    return []
  }
  const fields = new Fields(path, entry, problems)
  const disabled = fields.flag('disabled') === true || fields.flag('enabled') === false
  const transport = transportOf(fields)
  if (transport === undefined) return []
  const target = transport === 'stdio' ? readStdio(fields) : readHttp(fields)
  return target === undefined ? [] : [{ key, path, enabled: !disabled, target }]
}

/** Reads members of one server, noting what has the wrong type. */
class Fields {
  readonly path: readonly PropertyKey[]
  readonly entry: JsonObject
  readonly problems: ConfigProblem[]

  constructor(path: readonly PropertyKey[], entry: JsonObject, problems: ConfigProblem[]) {
    this.path = path
    this.entry = entry
    this.problems = problems
  }

  note(key: string | undefined, problem: string, fix: string): undefined {
    this.problems.push({ path: pathText(key === undefined ? this.path : [...this.path, key]), problem, fix })
  }

  /** The first of `keys` that is there. */
  first(keys: readonly string[]): { readonly key: string; readonly value: JsonValue } | undefined {
    for (const key of keys) {
      const value = ownMember(this.entry, key)
      if (value !== undefined && value !== null) return { key, value }
    }
    return undefined
  }

  flag(key: string): boolean | undefined {
    const value = ownMember(this.entry, key)
    if (value === undefined || typeof value === 'boolean') return value
    return this.note(key, 'neither true nor false', 'Write true or false')
  }

  text(keys: readonly string[]): string | undefined {
    const found = this.first(keys)
    if (found === undefined) return undefined
    if (typeof found.value === 'string' && found.value.trim() !== '') return found.value
    return this.note(found.key, 'not a text, or an empty one', 'Write a text in double quotes')
  }

  texts(keys: readonly string[]): readonly string[] {
    const found = this.first(keys)
    if (found === undefined) return []
    if (Array.isArray(found.value)) {
      const items = found.value.map(scalarText)
      if (items.every((item) => item !== undefined)) return items
    }
    this.note(found.key, 'not a list of texts', 'Write ["one", "two"]')
    return []
  }

  /** Numbers and booleans count as their texts, because clients hand them on so. */
  map(keys: readonly string[]): Readonly<Record<string, string>> {
    const found = this.first(keys)
    if (found === undefined) return {}
    if (!isJsonObject(found.value)) {
      this.note(found.key, 'not an object', 'Write { "NAME": "value" }')
      return {}
    }
    const entries: [string, string][] = []
    for (const [name, value] of Object.entries(found.value)) {
      const text = scalarText(value)
      if (text === undefined) this.note(`${found.key}.${name}`, 'not a text', 'Write a text in double quotes')
      else entries.push([name, text])
    }
    return Object.fromEntries(entries)
  }
}

function scalarText(value: JsonValue): string | undefined {
  return typeof value === 'string' ? value : typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined
}

/** What `type` (or `transport`) says, else what is there. */
function transportOf(fields: Fields): 'stdio' | 'http' | undefined {
  const said = fields.first(['type', 'transport'])
  const hasCommand = fields.first(COMMAND_KEYS) !== undefined
  const hasUrl = fields.first(URL_KEYS) !== undefined
  if (said !== undefined) {
    const type = typeof said.value === 'string' ? said.value : ''
    if (STDIO_TYPES.includes(type)) return expectMember('stdio', hasCommand, fields)
    if (HTTP_TYPES.includes(type)) return expectMember('http', hasUrl, fields)
    return fields.note(said.key, 'an unknown kind of server', 'Write "stdio" or "http", or leave it out')
  }
  if (hasCommand && hasUrl) return fields.note(undefined, 'both a command and a URL', 'Keep one of them, or say which with "type"')
  if (hasCommand) return 'stdio'
  if (hasUrl) return 'http'
  return fields.note(undefined, 'neither a command nor a URL', 'Add "command" for a program, or "url" for an HTTP server')
}

function expectMember(transport: 'stdio' | 'http', there: boolean, fields: Fields): 'stdio' | 'http' | undefined {
  if (there) return transport
  return transport === 'stdio'
    ? fields.note('command', 'missing', 'Add "command": the program to start')
    : fields.note('url', 'missing', 'Add "url": the address of the server')
}

function readStdio(fields: Fields): WrittenStdio | undefined {
  const before = fields.problems.length
  const command = fields.first(COMMAND_KEYS)
  const words = Array.isArray(command?.value) ? fields.texts(COMMAND_KEYS) : [fields.text(COMMAND_KEYS) ?? '']
  const [program = '', ...leading] = words
  const target: WrittenStdio = {
    transport: 'stdio',
    command: program,
    args: [...leading, ...fields.texts(['args'])],
    env: fields.map(ENV_KEYS),
    envFile: fields.text(['envFile']),
    cwd: fields.text(CWD_KEYS),
  }
  if (program === '' && fields.problems.length === before) fields.note('command', 'empty', 'Name the program to start')
  return fields.problems.length === before ? target : undefined
}

function readHttp(fields: Fields): WrittenHttp | undefined {
  const before = fields.problems.length
  const url = fields.text(URL_KEYS)
  const headers = { ...nestedHeaders(fields), ...fields.map(HEADERS_KEYS) }
  for (const [name, variable] of Object.entries(fields.map(HEADER_ENV_KEYS))) headers[name] = `env:${variable}`
  const bearer = fields.text(BEARER_ENV_KEYS)
  if (bearer !== undefined) headers['Authorization'] = `Bearer \${env:${bearer}}`
  return fields.problems.length === before && url !== undefined ? { transport: 'http', url, headers } : undefined
}

/** GitHub Copilot in JetBrains, Eclipse and Xcode: `requestInit.headers`. */
function nestedHeaders(fields: Fields): Readonly<Record<string, string>> {
  const init = ownMember(fields.entry, 'requestInit')
  if (init === undefined || !isJsonObject(init)) return {}
  return new Fields([...fields.path, 'requestInit'], init, fields.problems).map(['headers'])
}
