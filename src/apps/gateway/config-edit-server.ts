/**
 * Servers added to, removed from and changed in the text of a configuration file, in the spelling of the client whose file
 * it is. What comes out was checked: an edit that would make a new problem is refused, one that leaves an old one is not.
 */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import type { Result } from '../../protocol/result.ts'
import { EditError, removeAt, renameAt, setAt } from './config-edit.ts'
import { parseJsonc } from './config-jsonc.ts'
import { nearest, pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import { placeForServers, spellEntry } from './config-edit-spelling.ts'
import type { NewServer } from './config-edit-spelling.ts'
import { inspectConfig } from './config.ts'
import type { Config, ConfiguredServer } from './config.ts'

/** What became of the text. `notes` are for people: what stayed as it was, or waits for something. */
export type Edited = Result<{ readonly text: string; readonly notes: readonly string[] }, readonly ConfigProblem[]>

/** Options of `portolan.servers.<name>` that are set with a server. */
export interface NewOptions {
  readonly era?: 'auto' | 'legacy' | 'modern'
  readonly share?: 'all' | 'principal' | 'session'
}

export interface AddServer {
  readonly name: string
  readonly server: NewServer
  readonly options: NewOptions
  /** Replaces a server of this name: what the new one says is set, what only clients understand stays. */
  readonly force: boolean
}

const NEW_FILE = '{\n  "mcpServers": {}\n}\n'

/** `text` '' (or nothing but white space): a new file. Never throws. */
export function addServer(text: string, { name, server, options, force }: AddServer): Edited {
  const before = text.trim() === '' || text.trim() === '\ufeff' ? NEW_FILE : text
  return edit(before, (root, config) => {
    const existing = findServer(config, name)
    if (existing !== undefined && !force) {
      return refuse(pathText(existing.path), 'there is a server of this name already', 'Give --force to replace it, or another name')
    }
    const place = placeForServers(root, config)
    const path = existing?.path ?? (place.kind === 'list' ? [...place.path, place.count] : [...place.path, name])
    const entry = spellEntry(server, place, existing?.key ?? name)
    const key = existing?.key ?? name
    let after = existing === undefined ? setAt(before, editPath(path), entry) : replaceEntry(before, root, editPath(path), entry)
    for (const [option, value] of Object.entries(options)) after = setOption(after, key, option, value)
    return { ok: true, value: { text: after, notes: notesOf(after, key) } }
  })
}

/** Takes the server out, its options in `portolan.servers` too. */
export function removeServer(text: string, name: string): Edited {
  return withServer(text, name, ({ path, key }) => {
    const after = removeAt(text, editPath(path))
    return { text: removeAt(after, ['portolan', 'servers', key]), notes: [] }
  })
}

/** Leaves the server in the file but out of what is served, or takes it back, in the file's own spelling. */
export function enableServer(text: string, name: string, enabled: boolean): Edited {
  return withServer(text, name, (server, root) => {
    const path = editPath(server.path)
    const entry = valueAt(root, path)
    const says = (key: string): JsonValue | undefined => (entry !== undefined && isJsonObject(entry) ? ownMember(entry, key) : undefined)
    let after = text
    if (says('enabled') !== undefined) after = setAt(after, [...path, 'enabled'], enabled)
    if (!enabled && says('enabled') === undefined) after = setAt(after, [...path, 'disabled'], true)
    if (enabled && says('disabled') !== undefined) after = removeAt(after, [...path, 'disabled'])
    if (enabled && server.options.enabled === false) after = setAt(after, ['portolan', 'servers', server.key, 'enabled'], true)
    return { text: after, notes: [] }
  })
}

/** Another name for the server, which keeps its `id`: sessions and records stay together. */
export function renameServer(text: string, name: string, newName: string): Edited {
  return withServer(text, name, (server, root, config) => {
    if (findServer(config, newName) !== undefined) {
      return { path: pathText(server.path), problem: `there is a server named ${newName} already`, fix: 'Choose another name, or remove that one first' }
    }
    const path = editPath(server.path)
    const list = typeof path.at(-1) === 'number'
    let after = list ? setAt(text, [...path, 'name'], newName) : renameAt(text, path, newName)
    if (optionsAt(root, server.key) !== undefined) after = renameAt(after, ['portolan', 'servers', server.key], newName)
    if (server.options.id === undefined) after = setOption(after, newName, 'id', server.name)
    after = renameInViews(after, config, server, newName)
    return { text: after, notes: [`clients reach it under its new name from now on: /${newName}/mcp, and ${newName}__… on /mcp`] }
  })
}

/** Virtual servers name their servers in `use`, and in overrides such as `files/read`. */
function renameInViews(text: string, { portolan }: Config, { key, name }: ConfiguredServer, newName: string): string {
  let after = text
  const called = [key, name]
  for (const [view, { use, tools = {}, prompts = {} }] of Object.entries(portolan.virtualServers ?? {})) {
    const path = ['portolan', 'virtualServers', view]
    for (const [index, one] of use.entries()) if (called.includes(one.server)) after = setAt(after, [...path, 'use', index, 'server'], newName)
    for (const [kind, overrides] of Object.entries({ tools, prompts })) {
      for (const item of Object.keys(overrides)) {
        const own = called.find((one) => item.startsWith(`${one}/`))
        if (own !== undefined) after = renameAt(after, [...path, kind, item], newName + item.slice(own.length))
      }
    }
  }
  return after
}

/** The server that a person means: by its name as written, else as served. */
export function findServer(config: Config, name: string): ConfiguredServer | undefined {
  return config.servers.find(({ key }) => key === name) ?? config.servers.find((server) => server.name === name)
}

type Change = { readonly text: string; readonly notes: readonly string[] } | ConfigProblem

function withServer(text: string, name: string, change: (server: ConfiguredServer, root: JsonObject, config: Config) => Change): Edited {
  return edit(text, (root, config) => {
    const server = findServer(config, name)
    if (server === undefined) return refuse(name, 'no server has this name', adviceFor(name, config))
    const changed = change(server, root, config)
    return 'problem' in changed ? { ok: false, fault: [changed] } : { ok: true, value: changed }
  })
}

function adviceFor(name: string, config: Config): string {
  const keys = config.servers.map(({ key }) => key)
  const near = nearest(name, keys)
  if (near !== undefined) return `Did you mean ${near}?`
  return keys.length === 0 ? 'Add one with: portolan add' : `There are: ${keys.join(', ')}`
}

function edit(before: string, run: (root: JsonObject, config: Config) => Edited): Edited {
  const { value } = parseJsonc(before)
  const { config, problems } = inspectConfig(before)
  if (config === undefined || value === undefined || !isJsonObject(value)) return { ok: false, fault: problems }
  try {
    const edited = run(value, config)
    if (!edited.ok) return edited
    const fresh = newProblems(problems, edited.value.text)
    return fresh.length === 0 ? edited : { ok: false, fault: fresh }
  } catch (error) {
    if (!(error instanceof EditError)) throw error
    return refuse('the file', error.message, 'Edit it by hand')
  }
}

/** A file that loses its last server is still a file. */
function newProblems(before: readonly ConfigProblem[], after: string): readonly ConfigProblem[] {
  const known = new Set(before.map(({ path, problem }) => `${path}\n${problem}`))
  return inspectConfig(after).problems.filter(({ path, problem }) => path !== 'the file' && !known.has(`${path}\n${problem}`))
}

function refuse(path: string, problem: string, fix: string): Edited {
  return { ok: false, fault: [{ path, problem, fix }] }
}

function editPath(path: readonly PropertyKey[]): (string | number)[] {
  return path.map((key) => (typeof key === 'number' ? key : String(key)))
}

function valueAt(root: JsonValue, path: readonly (string | number)[]): JsonValue | undefined {
  let value: JsonValue | undefined = root
  for (const key of path) {
    if (Array.isArray(value)) value = value[Number(key)]
    else value = value !== undefined && isJsonObject(value) ? ownMember(value, String(key)) : undefined
  }
  return value
}

function optionsAt(root: JsonValue, key: string): JsonValue | undefined {
  return valueAt(root, ['portolan', 'servers', key])
}

/** `portolan` begins with its version, as people write it. */
function setOption(text: string, key: string, option: string, value: JsonValue): string {
  const root = parseJsonc(text).value ?? {}
  const path = ['portolan', 'servers', key, option]
  if (valueAt(root, ['portolan']) !== undefined) return setAt(text, path, value)
  return setAt(text, ['portolan'], { version: 1, servers: { [key]: { [option]: value } } })
}

/** What decides how a server is reached; everything else in an entry is some client's and stays. */
const TARGET_KEYS = [
  'type', 'transport', 'command', 'cmd', 'args', 'env', 'environment', 'envs', 'envFile', 'cwd', 'workingDirectory', 'httpUrl', 'url', 'serverUrl', 'uri',
  'headers', 'http_headers', 'env_http_headers', 'header_env', 'bearer_token_env_var', 'bearer_token_env', 'requestInit', 'disabled',
]

/** Member by member, so that comments between them stay. */
function replaceEntry(text: string, root: JsonObject, path: (string | number)[], entry: JsonObject): string {
  const old = valueAt(root, path)
  if (old === undefined || !isJsonObject(old)) return setAt(text, path, entry)
  let after = text
  for (const key of Object.keys(old)) if (TARGET_KEYS.includes(key) && !Object.hasOwn(entry, key)) after = removeAt(after, [...path, key])
  for (const [key, value] of Object.entries(entry)) after = setAt(after, [...path, key], value)
  return after
}

function notesOf(text: string, key: string): readonly string[] {
  const server = inspectConfig(text).config?.servers.find((one) => one.key === key)
  return server === undefined || server.name === server.key ? [] : [`it is served as "${server.name}": its name must fit into a URL`]
}
