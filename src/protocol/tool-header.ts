/**
 * `x-mcp-header`: which arguments of a tool are mirrored into `Mcp-Param-*` headers, emitting them, and checking them
 * (S26 server/tools, x-mcp-header; basic/transports/streamable-http, Custom Headers from Tool Parameters).
 */
import { decodeHeaderValue, encodeHeaderValue } from './header.ts'
import type { HeaderFault } from './header.ts'
import type { JsonPlan } from './json.ts'
import { isJsonObject, ownMember } from './json-value.ts'
import type { JsonObject, JsonValue } from './json-value.ts'
import { fail, ok } from './result.ts'
import type { Result } from './result.ts'

/** One mirrored argument. */
export interface ToolHeaderRule {
  /** The header's whole name, in the tool's spelling: `Mcp-Param-Region`. */
  readonly header: string
  /** The chain of `properties` keys from the arguments to the value. */
  readonly path: readonly string[]
  readonly type: 'string' | 'integer' | 'boolean' | 'number'
}

/** All rules of a tool, made once for all its calls. */
export interface ToolHeaders {
  readonly rules: readonly ToolHeaderRule[]
  /** Of the headers, in lower case. */
  readonly namesLower: ReadonlySet<string>
  /** How arguments are read: strictly in the objects that hold what is mirrored. */
  readonly plan: JsonPlan
}

export const NO_TOOL_HEADERS: ToolHeaders = compileToolHeaders([])

/** Why a tool is invalid over HTTP; `path` is where, as a chain of schema keywords and names. */
export interface ToolHeaderFault {
  readonly reason: 'not_a_string' | 'empty' | 'not_a_token' | 'duplicate' | 'not_primitive' | 'not_reachable'
  readonly path: readonly string[]
}

/** How strict to read. */
export interface ToolHeaderOptions {
  /** The specification forbids annotated `number`; the conformance suite's client scenario uses one. Default false. */
  readonly acceptNumber?: boolean
}

const KEYWORD = 'x-mcp-header'
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** Schema keywords through which a chain must not pass. What is not here or `properties` holds no subschema. */
const SUBSCHEMA = new Set([
  'items', 'additionalItems', 'unevaluatedItems', 'contains', 'additionalProperties', 'unevaluatedProperties', 'propertyNames',
  'not', 'if', 'then', 'else', 'contentSchema', 'prefixItems', 'allOf', 'anyOf', 'oneOf',
])
const SUBSCHEMA_MAP = new Set(['patternProperties', 'dependentSchemas', 'dependencies', '$defs', 'definitions'])

interface Walk {
  readonly rules: ToolHeaderRule[]
  readonly namesLower: Set<string>
  readonly acceptNumber: boolean
}

/** The tool's rules, in the order of its schema; empty where it mirrors nothing. A tool with a fault is left out of lists. */
export function readToolHeaders(
  inputSchema: JsonValue,
  options: ToolHeaderOptions = {},
): Result<readonly ToolHeaderRule[], ToolHeaderFault> {
  const walk: Walk = { rules: [], namesLower: new Set(), acceptNumber: options.acceptNumber ?? false }
  const fault = visit(walk, inputSchema, { at: [], path: [], reachable: true })
  return fault === undefined ? ok(walk.rules) : fail(fault)
}

interface OpenPlan {
  [key: string]: OpenPlan
}

export function compileToolHeaders(rules: readonly ToolHeaderRule[]): ToolHeaders {
  const plan: OpenPlan = Object.create(null)
  for (const { path } of rules) {
    let at = plan
    for (const key of path.slice(0, -1)) at = at[key] ??= Object.create(null)
  }
  return { rules, namesLower: new Set(rules.map(({ header }) => header.toLowerCase())), plan }
}

interface Place {
  /** In the schema, for people. */
  readonly at: readonly string[]
  /** In the arguments. */
  readonly path: readonly string[]
  readonly reachable: boolean
}

function visit(walk: Walk, schema: JsonValue, place: Place): ToolHeaderFault | undefined {
  if (!isJsonObject(schema)) return undefined
  if (Object.hasOwn(schema, KEYWORD)) {
    const fault = annotation(walk, schema, place)
    if (fault !== undefined) return fault
  }
  for (const [keyword, value] of Object.entries(schema)) {
    const fault = keyword === 'properties' ? properties(walk, value, place) : unreachable(walk, keyword, value, place)
    if (fault !== undefined) return fault
  }
  return undefined
}

function annotation(walk: Walk, schema: JsonObject, place: Place): ToolHeaderFault | undefined {
  const name = schema[KEYWORD]
  const refuse = (reason: ToolHeaderFault['reason']): ToolHeaderFault => ({ reason, path: place.at })
  if (!place.reachable || place.path.length === 0) return refuse('not_reachable')
  if (typeof name !== 'string') return refuse('not_a_string')
  if (name === '') return refuse('empty')
  if (!TOKEN.test(name)) return refuse('not_a_token')
  const type = schema['type']
  if (!isMirrored(type) || (type === 'number' && !walk.acceptNumber)) return refuse('not_primitive')
  if (walk.namesLower.has(name.toLowerCase())) return refuse('duplicate')
  walk.namesLower.add(name.toLowerCase())
  walk.rules.push({ header: `Mcp-Param-${name}`, path: place.path, type })
  return undefined
}

function isMirrored(type: JsonValue | undefined): type is ToolHeaderRule['type'] {
  return type === 'string' || type === 'integer' || type === 'boolean' || type === 'number'
}

function properties(walk: Walk, map: JsonValue, place: Place): ToolHeaderFault | undefined {
  if (!isJsonObject(map)) return undefined
  for (const [name, schema] of Object.entries(map)) {
    const inner: Place = { ...place, at: [...place.at, 'properties', name], path: [...place.path, name] }
    const fault = visit(walk, schema, inner)
    if (fault !== undefined) return fault
  }
  return undefined
}

function unreachable(walk: Walk, keyword: string, value: JsonValue, place: Place): ToolHeaderFault | undefined {
  const isMap = SUBSCHEMA_MAP.has(keyword)
  if (!isMap && !SUBSCHEMA.has(keyword)) return undefined
  const several = Array.isArray(value) || (isMap && isJsonObject(value))
  const branches: [string, JsonValue][] = several ? Object.entries(value) : [['', value]]
  for (const [name, schema] of branches) {
    const at = [...place.at, keyword, ...(name === '' ? [] : [name])]
    const fault = visit(walk, schema, { at, path: place.path, reachable: false })
    if (fault !== undefined) return fault
  }
  return undefined
}

/** The headers to send with a call, encoded. Null and absent arguments have none, nor have objects and arrays. */
export function paramHeaders(rules: readonly ToolHeaderRule[], args: JsonObject): [name: string, value: string][] {
  return rules.flatMap((rule): [string, string][] => {
    const text = primitiveText(valueAt(args, rule.path))
    return text === undefined ? [] : [[rule.header, encodeHeaderValue(text)]]
  })
}

function valueAt(args: JsonObject, path: readonly string[]): JsonValue | undefined {
  let value: JsonValue | undefined = args
  for (const key of path) {
    if (!isJsonObject(value)) return undefined
    value = ownMember(value, key)
  }
  return value
}

/** Undefined for what no header can stand for; integers beyond ±(2^53 − 1) have lost digits and are among it. */
function primitiveText(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'boolean') return String(value)
  if (typeof value !== 'number' || (Number.isInteger(value) && !Number.isSafeInteger(value))) return undefined
  return String(value)
}

/** Headers and arguments disagree: `header_mismatch`. */
export interface ParamHeaderFault {
  /** `unexpected`: a header for an argument that is null or absent. Who routes on it would act on what nobody said. */
  readonly reason: 'missing' | 'mismatch' | 'unexpected' | HeaderFault['reason']
  readonly header: string
}

/**
 * Whether the headers agree with the arguments. `header` gives a received value by its lower-case name. Headers without
 * a rule are not recognized, and not checked.
 */
export function checkParamHeaders(
  rules: readonly ToolHeaderRule[],
  args: JsonObject,
  header: (nameLower: string) => string | undefined,
): Result<void, ParamHeaderFault> {
  for (const rule of rules) {
    const reason = checkOne(rule, valueAt(args, rule.path), header(rule.header.toLowerCase()))
    if (reason !== undefined) return fail({ reason, header: rule.header })
  }
  return ok(undefined)
}

function checkOne(
  rule: ToolHeaderRule,
  value: JsonValue | undefined,
  raw: string | undefined,
): ParamHeaderFault['reason'] | undefined {
  const expected = primitiveText(value)
  if (raw === undefined) return expected === undefined ? undefined : 'missing'
  const decoded = decodeHeaderValue(raw)
  if (!decoded.ok) return decoded.fault.reason
  if (value === undefined || value === null) return 'unexpected'
  if (expected === undefined) return 'mismatch'
  const equal = decoded.value === expected || decoded.value === expected.toWellFormed() || sameNumber(rule, value, decoded.value)
  return equal ? undefined : 'mismatch'
}

/** S26: integers SHOULD be compared as numbers, `42.0` as `42`. Only plain decimals, so that `0x2a` and `1e1` stay text. */
function sameNumber(rule: ToolHeaderRule, value: JsonValue, text: string): boolean {
  if (typeof value !== 'number') return false
  if (rule.type === 'number') return /^-?\d+(?:\.\d+)?$/.test(text) && Number(text) === value
  return rule.type === 'integer' && /^-?\d+(?:\.0+)?$/.test(text) && Number(text) === value
}
