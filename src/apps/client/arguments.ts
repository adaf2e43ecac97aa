/**
 * Arguments of tools and prompts from words: `key=text` typed by the schema, `key:=json`, `key=@file`, `a.b=nested`, arrays by
 * repetition. Nothing is guessed where the schema says what it wants; every fault is reported at once.
 */

import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { nearest } from './nearest.ts'
import { additionalOf, itemsOf, propertiesOf, requiredOf, resolved, typeText, typesOf, valuesOf } from './schema-node.ts'
import type { SchemaNode, SchemaType } from './schema-node.ts'

export interface ArgumentFault {
  readonly reason: 'not_a_pair' | 'unknown' | 'wrong_type' | 'not_json' | 'repeated' | 'unreadable'
  /** The argument, or the word where it has none. */
  readonly name: string
  /** A sentence for people, with what helps. */
  readonly message: string
}

export interface Arguments {
  readonly value: JsonObject
  readonly faults: readonly ArgumentFault[]
  /** Required and not given, `a.b` for nested ones of objects that were begun. */
  readonly missing: readonly string[]
}

export interface ArgumentSource {
  readonly words: readonly string[]
  /** Members that were given as JSON; words are added, and win. */
  readonly base?: JsonObject
  /** The text of a file. Throws where it cannot be read. */
  readonly readFile: (path: string) => string
}

const PAIR = /^(?<key>[^=]+?)(?<operator>:=|=)(?<text>[^]*)$/

interface Word {
  readonly key: string
  readonly text: string
  readonly isJson: boolean
}

/** Types the words after the schema. `value` holds what could be typed, also where there are faults. */
export function typeArguments(node: SchemaNode, { words, base = {}, readFile }: ArgumentSource): Arguments {
  const faults: ArgumentFault[] = []
  const groups = new Map<string, { path: readonly string[]; node: SchemaNode; words: Word[] }>()
  for (const one of words) {
    const read = readWord(one, readFile)
    if ('reason' in read) {
      faults.push(read)
      continue
    }
    const place = findPlace(node, read.key)
    if ('reason' in place) {
      faults.push(place)
      continue
    }
    const id = JSON.stringify(place.path)
    const group = groups.get(id) ?? { ...place, words: [] }
    group.words.push(read)
    groups.set(id, group)
  }
  let value: JsonObject = base
  for (const group of groups.values()) {
    const typed = typeGroup(group.node, group.words)
    if ('reason' in typed) faults.push(typed)
    else value = withMember(value, group.path, typed.value)
  }
  const broken = new Set(faults.map(({ name }) => name))
  return { value, faults, missing: missingOf(node, value, '').filter((name) => !broken.has(name)) }
}

function readWord(word: string, readFile: (path: string) => string): Word | ArgumentFault {
  const { key = '', operator, text = '' } = PAIR.exec(word)?.groups ?? {}
  if (operator === undefined) {
    return { reason: 'not_a_pair', name: word, message: `"${word}" is no argument: write name=value, or name:=json.` }
  }
  const isJson = operator === ':='
  if (text.startsWith('@@')) return { key, text: text.slice(1), isJson }
  if (!text.startsWith('@') || text === '@') return { key, text, isJson }
  try {
    return { key, text: readFile(text.slice(1)), isJson }
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    return { reason: 'unreadable', name: key, message: `${key}: the file ${text.slice(1)} cannot be read (${why}). A text that begins with @ is written @@.` }
  }
}

type Place = { readonly path: readonly string[]; readonly node: SchemaNode }

/** Where `a.b.c` leads: a property of that very name first, then into objects. */
function findPlace(node: SchemaNode, key: string, prefix = ''): Place | ArgumentFault {
  const properties = propertiesOf(node)
  const whole = properties.get(key)
  if (whole !== undefined) return { path: [key], node: whole }
  for (let dot = key.indexOf('.'); dot > 0 && dot < key.length - 1; dot = key.indexOf('.', dot + 1)) {
    const head = key.slice(0, dot)
    const inner = properties.get(head)
    if (inner === undefined) continue
    const types = typesOf(inner)
    if (types.size > 0 && !types.has('object')) continue
    const place = findPlace(inner, key.slice(dot + 1), `${prefix}${head}.`)
    return 'reason' in place ? place : { path: [head, ...place.path], node: place.node }
  }
  const additional = additionalOf(node)
  if (additional !== undefined) return { path: [key], node: additional }
  return unknownFault(prefix, key, [...properties.keys()])
}

function unknownFault(prefix: string, key: string, names: readonly string[]): ArgumentFault {
  const near = nearest(key, names).map((name) => `${prefix}${name}`)
  const known = names.length === 0 ? 'It takes none.' : `It takes ${names.map((name) => `${prefix}${name}`).join(', ')}.`
  const help = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : known
  return { reason: 'unknown', name: `${prefix}${key}`, message: `There is no argument ${prefix}${key}. ${help}` }
}

type Typed = { readonly value: JsonValue } | ArgumentFault

/** All words of one argument: several make an array, where it may be one. */
function typeGroup(node: SchemaNode, words: readonly Word[]): Typed {
  const [first] = words
  if (first === undefined) return { value: null }
  if (words.length === 1) return typeWord(node, first)
  const types = typesOf(node)
  if (types.size > 0 && !types.has('array')) {
    return { reason: 'repeated', name: first.key, message: `${first.key} is given ${words.length} times, and takes one value (${typeText(node)}).` }
  }
  const items: JsonValue[] = []
  for (const word of words) {
    const typed = typeWord(node, word)
    if ('reason' in typed) return typed
    if (Array.isArray(typed.value)) items.push(...typed.value)
    else items.push(typed.value)
  }
  return { value: items }
}

function typeWord(node: SchemaNode, { key, text, isJson }: Word): Typed {
  if (!isJson) return typeValue(node, key, text)
  const value = parseJson(text)
  if (value === undefined) return { reason: 'not_json', name: key, message: `${key}: what follows := is no JSON. For plain text write ${key}=…` }
  return { value }
}

function typeValue(node: SchemaNode, key: string, text: string): Typed {
  const values = valuesOf(node)
  if (values !== undefined) return typeChoice(values, key, text)
  const types = typesOf(node)
  const value = types.size === 0 ? guess(text) : valueFor(types, node, text)
  if (value !== undefined) return { value }
  if (types.has('array') && !/^\s*[[{]/.test(text)) return typeItem(node, key, text)
  const detail = isUnsafe(types, text) ? `is too big to be sent exactly; if the server takes text, write ${key}:='"${text}"'` : `must be ${typeText(node)}, not "${shortened(text)}"`
  return { reason: 'wrong_type', name: key, message: `${key} ${detail}.` }
}

function typeItem(node: SchemaNode, key: string, text: string): Typed {
  const typed = typeValue(itemsOf(node), key, text)
  return 'reason' in typed ? typed : { value: [typed.value] }
}

function typeChoice(values: readonly JsonValue[], key: string, text: string): Typed {
  const found = values.find((value) => value === text) ?? values.find((value) => typeof value !== 'string' && JSON.stringify(value) === text)
  if (found !== undefined) return { value: found }
  const names = values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  const near = nearest(text, names)
  const help = near.length > 0 ? `Did you mean ${near.join(' or ')}?` : `It takes ${names.slice(0, 20).join(', ')}.`
  return { reason: 'wrong_type', name: key, message: `${key} cannot be "${shortened(text)}". ${help}` }
}

const JSON_NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/
const YES = /^(?:true|yes|on|1)$/i
const NO = /^(?:false|no|off|0)$/i

/** The strictest type that the text fits; `string` takes what no other one wants. Undefined where none fits. */
function valueFor(types: ReadonlySet<SchemaType>, node: SchemaNode, text: string): JsonValue | undefined {
  if (types.has('null') && text === 'null') return null
  if ((types.has('number') || types.has('integer')) && JSON_NUMBER.test(text)) {
    const number = Number(text)
    const fits = Number.isFinite(number) && (types.has('number') || Number.isInteger(number)) && !isUnsafe(types, text)
    if (fits) return number
  }
  if (types.has('boolean') && types.size === (types.has('null') ? 2 : 1)) {
    if (YES.test(text)) return true
    if (NO.test(text)) return false
  } else if (types.has('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  if (types.has('object') && /^\s*\{/.test(text)) {
    const value = parseJson(text)
    if (isJsonObject(value)) return value
  }
  if (types.has('array') && /^\s*\[/.test(text)) {
    const value = parseJson(text)
    if (Array.isArray(value)) return value
    if (typesOf(itemsOf(node)).has('string')) return [text]
  }
  return types.has('string') ? text : undefined
}

/** An integer whose digits JSON numbers lose in JavaScript. */
function isUnsafe(types: ReadonlySet<SchemaType>, text: string): boolean {
  return (types.has('integer') || types.has('number')) && /^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text))
}

/** Where the schema says nothing: JSON where it is JSON and no big number, else text. */
function guess(text: string): JsonValue {
  if (/^-?\d+$/.test(text) && !Number.isSafeInteger(Number(text))) return text
  return JSON_NUMBER.test(text) || /^(?:true|false|null)$|^\s*[[{]/.test(text) ? (parseJson(text) ?? text) : text
}

function parseJson(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Own members only: `__proto__` is a name like any other. */
function withMember(object: JsonObject, path: readonly string[], value: JsonValue): JsonObject {
  const [name = '', ...rest] = path
  const inner = ownMember(object, name)
  const member = rest.length === 0 ? value : withMember(isJsonObject(inner) ? inner : {}, rest, value)
  return Object.fromEntries([...Object.entries(object).filter(([key]) => key !== name), [name, member]])
}

function missingOf(node: SchemaNode, value: JsonObject, prefix: string): string[] {
  const missing = [...requiredOf(node)].filter((name) => !Object.hasOwn(value, name)).map((name) => `${prefix}${name}`)
  const inner = [...propertiesOf(node)].flatMap(([name, property]) => {
    const member = ownMember(value, name)
    return isJsonObject(member) ? missingOf(property, member, `${prefix}${name}.`) : []
  })
  return [...missing, ...inner]
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}

/** The node of a dotted name that `missing` gave; one that says nothing where there is none. */
export function nodeAt(node: SchemaNode, name: string): SchemaNode {
  const place = findPlace(node, name)
  return 'reason' in place ? { root: node.root, schema: {} } : resolved(place.node)
}
