/**
 * What a JSON Schema says of one argument, as far as typing a word needs it. Only references within the same document are
 * followed: a network reference is never fetched (SEP-2106).
 */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'

export type SchemaType = 'string' | 'number' | 'integer' | 'boolean' | 'null' | 'array' | 'object'

/** A schema with the document that its references are in. */
export interface SchemaNode {
  readonly root: JsonObject
  readonly schema: JsonObject
}

const TYPES = new Set<string>(['string', 'number', 'integer', 'boolean', 'null', 'array', 'object'])
const MAX_DEPTH = 16

function isSchemaType(value: unknown): value is SchemaType {
  return typeof value === 'string' && TYPES.has(value)
}

/** The schema of a whole tool, prompt or form; anything else than an object says nothing. */
export function schemaNode(schema: unknown): SchemaNode {
  const root = isJsonObject(schema) ? schema : {}
  return { root, schema: root }
}

/** `$ref` within the document followed, to the end or until it leads nowhere. */
export function resolved({ root, schema }: SchemaNode): SchemaNode {
  let current = schema
  for (let hop = 0; hop < MAX_DEPTH; hop += 1) {
    const target = current['$ref']
    if (typeof target !== 'string' || !target.startsWith('#')) return { root, schema: current }
    const found = pointed(root, target.slice(1))
    if (found === undefined) return { root, schema: current }
    const { $ref: _, ...beside } = current
    current = { ...found, ...beside }
  }
  return { root, schema: {} }
}

function pointed(root: JsonObject, pointer: string): JsonObject | undefined {
  let value: JsonValue | undefined = root
  for (const part of pointer.split('/').slice(1)) {
    const name = decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
    value = isJsonObject(value) ? ownMember(value, name) : Array.isArray(value) ? value[Number(name)] : undefined
  }
  return isJsonObject(value) ? value : undefined
}

/** The branches of `anyOf`, `oneOf` and `allOf`. */
function branches(node: SchemaNode): SchemaNode[] {
  return ['anyOf', 'oneOf', 'allOf'].flatMap((keyword) => {
    const list = node.schema[keyword]
    return Array.isArray(list) ? list.filter(isJsonObject).map((schema) => ({ root: node.root, schema })) : []
  })
}

/** Every type that a value may have; empty where the schema does not say. */
export function typesOf(node: SchemaNode, depth = 0): ReadonlySet<SchemaType> {
  const { root, schema } = resolved(node)
  const types = new Set<SchemaType>([schema['type'] ?? []].flat().filter(isSchemaType))
  if (types.size > 0 || depth > MAX_DEPTH) return types
  for (const value of valuesOf(node, depth) ?? []) types.add(typeOfValue(value))
  for (const branch of branches({ root, schema })) for (const type of typesOf(branch, depth + 1)) types.add(type)
  if (types.size === 0 && isJsonObject(schema['properties'])) types.add('object')
  if (types.size === 0 && schema['items'] !== undefined) types.add('array')
  return types
}

function typeOfValue(value: JsonValue): SchemaType {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' ? type : 'object'
}

/** The only values allowed (`enum`, `const`, or branches that are all such); undefined where others are too. */
export function valuesOf(node: SchemaNode, depth = 0): readonly JsonValue[] | undefined {
  const { root, schema } = resolved(node)
  if (Array.isArray(schema['enum'])) return schema['enum']
  if (schema['const'] !== undefined) return [schema['const']]
  if (depth > MAX_DEPTH) return undefined
  for (const keyword of ['anyOf', 'oneOf']) {
    const list = schema[keyword]
    if (!Array.isArray(list) || list.length === 0) continue
    const each = list.map((branch: unknown) => (isJsonObject(branch) ? valuesOf({ root, schema: branch }, depth + 1) : undefined))
    if (each.every((values) => values !== undefined)) return each.flat()
  }
  return undefined
}

/** The properties of an object, those of `allOf` and of alternatives included, in their order. */
export function propertiesOf(node: SchemaNode, depth = 0): ReadonlyMap<string, SchemaNode> {
  const { root, schema } = resolved(node)
  const own = isJsonObject(schema['properties']) ? Object.entries(schema['properties']) : []
  const found = new Map(own.map(([name, property]): [string, SchemaNode] => [name, { root, schema: isJsonObject(property) ? property : {} }]))
  if (depth > MAX_DEPTH) return found
  for (const branch of branches({ root, schema })) {
    for (const [name, property] of propertiesOf(branch, depth + 1)) if (!found.has(name)) found.set(name, property)
  }
  return found
}

/** Names that must be there (`required`, and those of every `allOf`). */
export function requiredOf(node: SchemaNode, depth = 0): ReadonlySet<string> {
  const { root, schema } = resolved(node)
  const names = new Set(Array.isArray(schema['required']) ? schema['required'].filter((name) => typeof name === 'string') : [])
  const all = schema['allOf']
  if (depth > MAX_DEPTH || !Array.isArray(all)) return names
  for (const branch of all.filter(isJsonObject)) for (const name of requiredOf({ root, schema: branch }, depth + 1)) names.add(name)
  return names
}

/** The schema of an array's items; one that says nothing where there is none. */
export function itemsOf(node: SchemaNode): SchemaNode {
  const { root, schema } = resolved(node)
  const own = schema['items']
  if (isJsonObject(own)) return { root, schema: own }
  const branch = branches({ root, schema }).map(resolved).find((one) => isJsonObject(one.schema['items']))
  return branch === undefined ? { root, schema: {} } : itemsOf(branch)
}

/** The schema of a member that is no property: undefined where there must be none that the schema does not name. */
export function additionalOf(node: SchemaNode): SchemaNode | undefined {
  const { root, schema } = resolved(node)
  const additional = schema['additionalProperties']
  if (isJsonObject(additional)) return { root, schema: additional }
  if (additional === true || isJsonObject(schema['patternProperties'])) return { root, schema: {} }
  // Who names nothing allows anything; who names some and is silent about others most likely met a misspelling.
  return additional === undefined && propertiesOf(node).size === 0 ? { root, schema: {} } : undefined
}

/** `string`, `integer or null`, `array of string`, `a | b`: for people. */
export function typeText(node: SchemaNode, depth = 0): string {
  const values = valuesOf(node)
  if (values !== undefined && values.length <= 12) return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(' | ')
  const types = [...typesOf(node)].map((type) => (type === 'array' && depth < 3 ? arrayText(node, depth) : type))
  const { format } = resolved(node).schema
  const text = types.length === 0 ? 'any' : types.join(' or ')
  return typeof format === 'string' ? `${text} (${format})` : text
}

function arrayText(node: SchemaNode, depth: number): string {
  const items = typeText(itemsOf(node), depth + 1)
  return items === 'any' ? 'array' : `array of ${items}`
}
