/**
 * What may follow the words typed so far: commands, flags, servers, tools, prompts, resources, arguments, and the values of
 * arguments that have few. Quick and silent: without a running Portolan there is nothing of servers.
 */

import type { Command } from 'commander'
import type { JsonObject } from '../../protocol/json-value.ts'
import { promptSchema } from '../client/describe.ts'
import { findPortolan } from '../client/portolan.ts'
import type { RunningPortolan } from '../client/portolan.ts'
import { quickList } from '../client/quick-list.ts'
import { propertiesOf, schemaNode, typesOf, valuesOf } from '../client/schema-node.ts'
import type { SchemaNode } from '../client/schema-node.ts'
import { safeLine } from './terminal/safe-text.ts'

interface Suggestion {
  readonly value: string
  readonly description: string
}

interface Suggestions {
  readonly items: readonly Suggestion[]
  /** Something still has to follow without a space: a slash or an equals sign ends it. */
  readonly isOpen?: boolean
  /** Files may be meant. */
  readonly isFile?: boolean
}

const NOTHING: Suggestions = { items: [] }
const FILES: Suggestions = { items: [], isFile: true }
/** Directives of the shells' scripts (as in cobra's). */
const NO_SPACE = 2
const NO_FILES = 4
/** Servers choose names: no character that a shell could take for more than a letter. */
const HARMLESS = /^[\w.:/@%+=,~-]+$/
const STATUS_MS = 200

/** One suggestion a line, with a tab and its description, then the directive: what the scripts read. */
export async function completeWords(program: Command, words: readonly string[]): Promise<string> {
  const typed = words.at(-1) ?? ''
  const { items, isOpen = false, isFile = false } = await suggest(program, words).catch(() => NOTHING)
  const fitting = items.filter(({ value }) => value.startsWith(typed) && HARMLESS.test(value))
  const directive = (isOpen ? NO_SPACE : 0) + (isFile ? 0 : NO_FILES)
  return [...fitting.map(({ value, description }) => `${value}\t${safeLine(description).slice(0, 80)}`), `:${directive}`, ''].join('\n')
}

/** For bash, whose words end at each of `breaks` (= and : among them): only what follows the last of them is replaced. */
export async function completeLine(program: Command, breaks: string, line: string): Promise<string> {
  const words = shellWords(line).slice(1)
  const typed = words.at(-1) ?? ''
  const kept = Math.max(...[...breaks].filter((char) => /[=:@]/.test(char)).map((char) => typed.lastIndexOf(char) + 1), 0)
  const text = await completeWords(program, words)
  return text.split('\n').map((one) => (one.startsWith(':') || one === '' ? one : one.slice(kept))).join('\n')
}

/** The words of a line up to the cursor, quotes taken away; the last is the one being typed, '' after a space. */
export function shellWords(line: string): string[] {
  const words: string[] = ['']
  let quote = ''
  for (let index = 0; index < line.length; index += 1) {
    const char = line[index] ?? ''
    const isEscape = char === '\\' && quote !== "'"
    const taken = isEscape ? (line[(index += 1)] ?? '') : char
    if (!isEscape && quote === '' && /\s/.test(char)) {
      if (words.at(-1) !== '') words.push('')
    } else if (!isEscape && (quote === '' ? char === '"' || char === "'" : char === quote)) quote = quote === '' ? char : ''
    else words[words.length - 1] += taken
  }
  return words
}

async function suggest(program: Command, words: readonly string[]): Promise<Suggestions> {
  const { command, rest } = descend(program, words)
  const typed = rest.at(-1) ?? ''
  if (rest.slice(0, -1).includes('--')) return FILES
  const before = rest.at(-2)
  const option = command.options.find(({ long, short }) => before !== undefined && (long === before || short === before))
  if (option !== undefined && (option.required || option.optional)) {
    return option.argChoices === undefined ? FILES : { items: option.argChoices.map((value) => ({ value, description: '' })) }
  }
  if (typed.startsWith('-')) return { items: command.options.filter(({ hidden }) => !hidden).map(({ long, description }) => ({ value: long ?? '', description })) }
  const children = command.createHelp().visibleCommands(command)
  if (children.length > 0) return { items: children.map((one) => ({ value: one.name(), description: one.description() })) }
  const { positionals, flags } = readWords(command, rest)
  if (flags.has('--url')) return NOTHING
  const suggester = SUGGESTERS[command.name()]
  if (suggester === undefined) return command.name() === 'completion' ? NOTHING : FILES
  const portolan = await findPortolan({ data: flags.get('--data'), socket: flags.get('--socket'), timeoutMs: STATUS_MS })
  return suggester(portolan, positionals)
}

/** The innermost command that the words name, and the words after it. */
function descend(program: Command, words: readonly string[]): { readonly command: Command; readonly rest: readonly string[] } {
  let command = program
  let at = 0
  for (; at < words.length - 1; at += 1) {
    const next = command.commands.find((one) => one.name() === words[at])
    if (next === undefined) break
    command = next
  }
  return { command, rest: words.slice(at) }
}

/** Words that are neither flags nor their values; the last is the one being typed. */
function readWords(command: Command, words: readonly string[]): { readonly positionals: readonly string[]; readonly flags: ReadonlyMap<string, string> } {
  const positionals: string[] = []
  const flags = new Map<string, string>()
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? ''
    const [name = '', value] = word.startsWith('--') ? word.split(/=(.*)/s) : [word]
    const option = command.options.find(({ long, short }) => long === name || short === name)
    if (option === undefined) positionals.push(word)
    else if (option.required && value === undefined) flags.set(option.long ?? name, words[(index += 1)] ?? '')
    else flags.set(option.long ?? name, value ?? '')
  }
  return { positionals, flags }
}

type Suggester = (portolan: RunningPortolan, positionals: readonly string[]) => Suggestions | Promise<Suggestions>

const SUGGESTERS: Readonly<Record<string, Suggester>> = {
  tools: (portolan, words) => (words.length === 1 ? namesOf(portolan, words[0] ?? '', { kind: 'tools', isBare: true }) : NOTHING),
  prompts: (portolan, words) => (words.length === 1 ? namesOf(portolan, words[0] ?? '', { kind: 'prompts', isBare: true }) : NOTHING),
  call: (portolan, words) => withArguments(portolan, words, 'tools'),
  get: (portolan, words) => withArguments(portolan, words, 'prompts'),
  complete: (portolan, words) => withArguments(portolan, words, 'prompts'),
  resources: (portolan, words) => (words.length === 1 ? serversOf(portolan, '') : NOTHING),
  watch: (portolan, words) => (words.length === 1 ? serversOf(portolan, '') : NOTHING),
  read: async (portolan, words) => {
    if (words.length === 1) return serversOf(portolan, '')
    const resources = words.length === 2 ? await quickList(portolan, words[0] ?? '', 'resources') : []
    return { items: resources.map((resource) => ({ value: textOf(resource['uri']), description: textOf(resource['title'] ?? resource['name']) })) }
  },
}

function serversOf({ servers }: RunningPortolan, ending: string): Suggestions {
  return { items: servers.map(({ name, state }) => ({ value: `${name}${ending}`, description: state })), isOpen: ending !== '' }
}

interface Naming {
  readonly kind: 'tools' | 'prompts'
  /** A server alone is an answer too. */
  readonly isBare: boolean
}

async function namesOf(portolan: RunningPortolan, typed: string, { kind, isBare }: Naming): Promise<Suggestions> {
  const slash = typed.indexOf('/')
  if (slash === -1) return serversOf(portolan, isBare ? '' : '/')
  const server = typed.slice(0, slash)
  const items = await quickList(portolan, server, kind)
  return { items: items.map((item) => ({ value: `${server}/${textOf(item['name'])}`, description: textOf(item['title'] ?? item['description']) })) }
}

async function withArguments(portolan: RunningPortolan, [first = '', ...words]: readonly string[], kind: 'tools' | 'prompts'): Promise<Suggestions> {
  if (words.length === 0) return namesOf(portolan, first, { kind, isBare: false })
  const slash = first.indexOf('/')
  const items = await quickList(portolan, first.slice(0, slash), kind)
  const item = items.find(({ name }) => name === first.slice(slash + 1))
  return item === undefined ? NOTHING : argumentsOf(kind === 'tools' ? schemaNode(item['inputSchema']) : promptSchema(item), words)
}

function argumentsOf(node: SchemaNode, words: readonly string[]): Suggestions {
  const typed = words.at(-1) ?? ''
  const properties = propertiesOf(node)
  const [, name = '', text] = /^([^=]*)=(.*)$/s.exec(typed) ?? []
  if (text !== undefined) {
    const property = properties.get(name)
    if (text.startsWith('@') || property === undefined) return FILES
    const isFlag = typesOf(property).has('boolean')
    const values = valuesOf(property) ?? (isFlag ? [true, false] : [])
    return { items: values.map((value) => ({ value: `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`, description: '' })) }
  }
  const given = new Set(words.slice(0, -1).map((word) => word.split(/:?=/, 1)[0]))
  const open = [...properties].filter(([one, property]) => !given.has(one) || typesOf(property).has('array'))
  return { items: open.map(([one, property]) => ({ value: `${one}=`, description: textOf(property.schema['description']) })), isOpen: true }
}

function textOf(value: JsonObject[string] | undefined): string {
  return typeof value === 'string' ? value : ''
}
