/** A tool's or prompt's arguments for people: a row for each, and a command that could be typed. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { propertiesOf, requiredOf, resolved, schemaNode, typeText, typesOf, valuesOf } from './schema-node.ts'
import type { SchemaNode } from './schema-node.ts'

export interface ArgumentRow {
  /** `a.b` for nested ones. */
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  /** JSON text; '' where there is none. */
  readonly fallback: string
  readonly description: string
}

const MAX_DEPTH = 3

/** One row for each argument, objects opened three levels deep. */
export function argumentRows(node: SchemaNode, prefix = '', depth = 0): ArgumentRow[] {
  const required = requiredOf(node)
  return [...propertiesOf(node)].flatMap(([name, property]) => {
    const { schema } = resolved(property)
    const { default: fallback, description, title } = schema
    const row: ArgumentRow = {
      name: `${prefix}${name}`,
      type: typeText(property),
      isRequired: required.has(name),
      fallback: fallback === undefined ? '' : JSON.stringify(fallback),
      description: typeof description === 'string' ? description : typeof title === 'string' ? title : '',
    }
    const opens = depth < MAX_DEPTH && typesOf(property).has('object') && propertiesOf(property).size > 0
    return opens ? [row, ...argumentRows(property, `${prefix}${name}.`, depth + 1)] : [row]
  })
}

/** The arguments of a prompt as a schema: they are all text. */
export function promptSchema(prompt: JsonObject): SchemaNode {
  const listed = Array.isArray(prompt['arguments']) ? prompt['arguments'].filter(isJsonObject) : []
  const named = listed.filter(({ name }) => typeof name === 'string')
  const properties = Object.fromEntries(named.map(({ name, description }): [string, JsonObject] => [String(name), { type: 'string', ...(typeof description === 'string' && { description }) }]))
  return schemaNode({ type: 'object', properties, required: named.filter(({ required }) => required === true).map(({ name }) => String(name)), additionalProperties: false })
}

/** Words for every required argument, or for the first two where none is; quoted for a POSIX shell. */
export function exampleWords(node: SchemaNode): string[] {
  const rows = [...propertiesOf(node)]
  const required = requiredOf(node)
  const chosen = rows.filter(([name]) => required.has(name))
  return (chosen.length > 0 ? chosen : rows.slice(0, 2)).map(([name, property]) => exampleWord(name, property))
}

function exampleWord(name: string, property: SchemaNode): string {
  const value = exampleValue(property, 0)
  const isPlain = typeof value !== 'object' || value === null
  return shellWord(isPlain ? `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}` : `${name}:=${JSON.stringify(value)}`)
}

function exampleValue(node: SchemaNode, depth: number): JsonValue {
  const { schema } = resolved(node)
  const { examples, default: fallback, minimum } = schema
  if (Array.isArray(examples) && examples[0] !== undefined) return examples[0]
  if (fallback !== undefined) return fallback
  const [choice] = valuesOf(node) ?? []
  if (choice !== undefined) return choice
  const types = typesOf(node)
  if (types.has('string')) return 'text'
  if (types.has('integer') || types.has('number')) return typeof minimum === 'number' ? minimum : 1
  if (types.has('boolean')) return true
  if (types.has('object') && depth < MAX_DEPTH) {
    const required = requiredOf(node)
    return Object.fromEntries([...propertiesOf(node)].filter(([name]) => required.has(name)).map(([name, inner]) => [name, exampleValue(inner, depth + 1)]))
  }
  return types.has('array') ? [] : types.has('object') ? {} : 'text'
}

/** `text` as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}
