/**
 * The configuration file, read once into one typed value: servers as written, settings checked. Reports every problem at
 * once and by path. Secrets stay references here; `config-snapshot.ts` resolves them.
 */

import { z } from 'zod'
import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import type { Result } from '../../protocol/result.ts'
import { parseJsonc } from './config-jsonc.ts'
import { isReserved, isServable } from './config-name.ts'
import { nearest, pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import { nearReference } from './config-reference.ts'
import { portolanSchema } from './config-schema.ts'
import type { PortolanOptions, ServerOptions } from './config-schema.ts'
import { readServers } from './config-servers.ts'
import type { WrittenServer } from './config-servers.ts'
import { checkVirtualServers } from './config-virtual.ts'

/** A server with its name as served and the options that `portolan.servers` gives it. */
export interface ConfiguredServer extends WrittenServer {
  /** In `/<name>/mcp` and `name__tool`. */
  readonly name: string
  readonly options: ServerOptions
}

export interface Config {
  readonly servers: readonly ConfiguredServer[]
  readonly portolan: PortolanOptions
  /** Defaults of VS Code `inputs`, by id. */
  readonly inputs: ReadonlyMap<string, string>
  /** What was understood otherwise than written, for people. */
  readonly notices: readonly string[]
}

/** What could be read, and everything that is wrong with it. */
export interface Reading {
  /** Undefined where nothing could be read; what is wrong in itself is left out of it. */
  readonly config: Config | undefined
  readonly problems: readonly ConfigProblem[]
}

/** Never throws. `text` is the whole file. */
export function readConfig(text: string): Result<Config, readonly ConfigProblem[]> {
  const { config, problems } = inspectConfig(text)
  return config === undefined || problems.length > 0 ? { ok: false, fault: problems } : { ok: true, value: config }
}

/** For those who look for further problems in what can be read. Never throws. */
export function inspectConfig(text: string): Reading {
  const parsed = parseJsonc(text)
  if (parsed.value === undefined) return { config: undefined, problems: parsed.problems }
  if (!isJsonObject(parsed.value)) {
    return { config: undefined, problems: [{ path: 'the file', problem: 'not a JSON object', fix: 'Write { "mcpServers": { … } }' }] }
  }
  const problems = [...parsed.problems]
  const notices: string[] = []
  const root = parsed.value
  const portolan = readPortolan(root, problems)
  const written = readServers(root)
  problems.push(...written.problems)
  if (!written.found) problems.push(noServers(root))
  const servers = nameServers(written.servers, portolan, problems, notices)
  checkServerOptions(portolan, servers, problems)
  for (const server of servers) notices.push(...nearReferences(server))
  checkVirtualServers(portolan.virtualServers ?? {}, servers, problems)
  return { config: { servers, portolan, inputs: readInputs(root), notices }, problems }
}

/** Texts that somebody may have meant as references. The values themselves are not told. */
function nearReferences({ path, target }: ConfiguredServer): string[] {
  const [member, texts] = target.transport === 'stdio' ? ['env', target.env] : ['headers', target.headers]
  return Object.entries(texts).flatMap(([name, text]) => {
    const advice = nearReference(text)
    return advice === undefined ? [] : [`${pathText([...path, member, name])} is no reference, and is sent as it is written: ${advice}`]
  })
}

function readPortolan(root: JsonObject, problems: ConfigProblem[]): PortolanOptions {
  const written = ownMember(root, 'portolan')
  if (written === undefined) return { version: 1 }
  const parsed = portolanSchema.safeParse(written, { reportInput: true })
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) problems.push(...problemsOf(issue))
  return { version: 1, servers: disabledIn(written) }
}

/** Of settings that are wrong elsewhere: what a disabled server lacks is no problem. */
function disabledIn(written: JsonValue): Readonly<Record<string, ServerOptions>> {
  const servers = isJsonObject(written) ? ownMember(written, 'servers') : undefined
  const entries = servers !== undefined && isJsonObject(servers) ? Object.entries(servers) : []
  const disabled = entries.filter(([, options]) => isJsonObject(options) && ownMember(options, 'enabled') === false)
  return Object.fromEntries(disabled.map(([key]) => [key, { enabled: false }]))
}

type Issue = z.core.$ZodIssue

function problemsOf(issue: Issue): ConfigProblem[] {
  const path = ['portolan', ...issue.path]
  if (issue.code !== 'unrecognized_keys') return [{ path: pathText(path), ...explain(issue) }]
  const known = keysAt(issue.path)
  return issue.keys.map((key) => {
    const near = nearest(key, known)
    const fix = near === undefined ? `Known here: ${known.join(', ')}` : `Did you mean ${near}?`
    return { path: pathText([...path, key]), problem: 'no such setting', fix }
  })
}

/** The settings that the schema knows at a path. */
function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = portolanSchema
  for (const key of path) {
    const opened = unwrap(schema)
    schema =
      opened instanceof z.ZodObject ? opened.shape[String(key)]
      : opened instanceof z.ZodRecord ? opened.valueType
      : opened instanceof z.ZodArray ? opened.element
      : undefined
  }
  const opened = unwrap(schema)
  return opened instanceof z.ZodObject ? Object.keys(opened.shape) : []
}

function unwrap(schema: unknown): unknown {
  return schema instanceof z.ZodOptional ? schema.unwrap() : schema
}

function explain(issue: Issue): { problem: string; fix: string } {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? { problem: 'missing', fix: `Give it: ${article(issue.expected)}` }
        : { problem: `not ${article(issue.expected)}`, fix: `Write ${article(issue.expected)}` }
    case 'invalid_value':
      return { problem: issue.input === undefined ? 'missing' : 'not one of the possible values', fix: `Write ${issue.values.map((value) => JSON.stringify(value)).join(' or ')}` }
    case 'too_small':
      return { problem: 'too small', fix: issue.origin === 'string' ? 'Write a text that is not empty' : `Write ${String(issue.minimum)} or more` }
    case 'too_big':
      return { problem: issue.origin === 'string' ? 'too long' : 'too large', fix: `The most is ${String(issue.maximum)}` }
    case 'invalid_format':
      return issue.format === 'url'
        ? { problem: 'not an http or https URL', fix: 'Write one such as "https://mcp.example.com"' }
        : { problem: 'not in the right form', fix: 'See docs/configuration.md for what may stand here' }
    default:
      return { problem: 'not valid', fix: 'See docs/configuration.md for what may stand here' }
  }
}

const ARTICLES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text in double quotes',
  boolean: 'true or false',
  array: 'a list: [ … ]',
  object: 'an object: { … }',
  record: 'an object: { … }',
}

function article(expected: string): string {
  return ARTICLES[expected] ?? expected
}

function noServers(root: JsonObject): ConfigProblem {
  const near = nearest('mcpServers', Object.keys(root))
  return near === undefined
    ? { path: 'the file', problem: 'it names no servers', fix: 'Add "mcpServers": { "name": { "command": … } }' }
    : { path: pathText([near]), problem: 'no client keeps its servers under this name', fix: 'Did you mean mcpServers?' }
}

function nameServers(
  written: readonly WrittenServer[],
  portolan: PortolanOptions,
  problems: ConfigProblem[],
  notices: string[],
): readonly ConfiguredServer[] {
  const takenBy = new Map<string, string>()
  return written.map((server) => {
    const name = servedName(server.key)
    const path = pathText(server.path)
    if (name === undefined) {
      problems.push({ path, problem: 'its name has no letter or digit', fix: 'Rename it: letters, digits and . _ ~ -' })
    } else {
      if (name !== server.key) notices.push(`${path} is served as "${name}": its name must fit into a URL`)
      checkName(name, path, takenBy, problems)
    }
    const options = ownOption(portolan.servers ?? {}, server.key) ?? {}
    return { ...server, name: name ?? '', options }
  })
}

/** The name itself where it fits into a path segment, otherwise with `-` for what does not. */
function servedName(key: string): string | undefined {
  if (isServable(key)) return key
  const name = key.replace(/[^A-Za-z0-9._~-]+/g, '-').replace(/^[^A-Za-z0-9]+/, '').slice(0, 64).replace(/-+$/, '')
  return name === '' ? undefined : name
}

function checkName(name: string, path: string, takenBy: Map<string, string>, problems: ConfigProblem[]): void {
  const folded = name.toLowerCase()
  const other = takenBy.get(folded)
  if (isReserved(name)) {
    problems.push({ path, problem: `"${name}" is a reserved name: /${folded} is Portolan's own`, fix: 'Rename the server' })
  } else if (other !== undefined) {
    problems.push({ path, problem: `its name, as served ("${name}"), is also that of ${other}`, fix: 'Rename one of them' })
  } else {
    takenBy.set(folded, path)
  }
}

function ownOption(options: Readonly<Record<string, ServerOptions>>, key: string): ServerOptions | undefined {
  return Object.hasOwn(options, key) ? options[key] : undefined
}

/** Options for no server, and two servers that would pass for one. */
function checkServerOptions(portolan: PortolanOptions, servers: readonly ConfiguredServer[], problems: ConfigProblem[]): void {
  const keys = servers.map(({ key }) => key)
  for (const key of Object.keys(portolan.servers ?? {})) {
    if (keys.includes(key)) continue
    const near = nearest(key, keys)
    const fix = near === undefined ? 'Remove it, or add the server' : `Did you mean ${near}?`
    problems.push({ path: pathText(['portolan', 'servers', key]), problem: 'no server has this name', fix })
  }
  const pathById = new Map<string, string>()
  for (const { key, name, options, path } of servers) {
    const id = options.id ?? name
    const other = pathById.get(id)
    const own = options.id === undefined ? pathText(path) : pathText(['portolan', 'servers', key, 'id'])
    if (other === undefined) pathById.set(id, own)
    else if (options.id !== undefined) problems.push({ path: own, problem: `${other} has the same id`, fix: 'Give each server its own' })
  }
}

function readInputs(root: JsonObject): ReadonlyMap<string, string> {
  const mcp = ownMember(root, 'mcp')
  const written = ownMember(root, 'inputs') ?? (mcp !== undefined && isJsonObject(mcp) ? ownMember(mcp, 'inputs') : undefined)
  const inputs = new Map<string, string>()
  if (!Array.isArray(written)) return inputs
  for (const input of written satisfies readonly JsonValue[]) {
    const id = isJsonObject(input) ? ownMember(input, 'id') : undefined
    const fallback = isJsonObject(input) ? ownMember(input, 'default') : undefined
    if (typeof id === 'string' && typeof fallback === 'string') inputs.set(id, fallback)
  }
  return inputs
}
