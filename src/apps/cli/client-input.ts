/**
 * Answers servers in the terminal: from --input and --answer where they fit, else by asking the person, else not at all. What
 * was declined is said on standard error, with how to answer it.
 */

import { readFileSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { isJsonObject, ownMember } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { typeArguments } from '../client/arguments.ts'
import { ClientError } from '../client/client-error.ts'
import { withDefaults } from '../client/input.ts'
import type { InputHandler } from '../client/input.ts'
import { propertiesOf, resolved, schemaNode } from '../client/schema-node.ts'
import type { SchemaNode } from '../client/schema-node.ts'
import type { InputFlags } from './client-options.ts'
import { askElicitation } from './terminal/form.ts'
import { safeLine, safeName } from './terminal/safe-text.ts'
import { askSampling } from './terminal/sampling.ts'
import type { Terminal } from './terminal/terminal.ts'

export interface InputOptions {
  readonly terminal: Terminal
  readonly flags: InputFlags
  /** As the person knows it. */
  readonly server: string
}

/** The name under which --answer and --input answer a sampling request. */
const SAMPLING = 'sampling'

/** Throws ClientError `usage` where --input is no JSON object. */
export function createInputHandler({ terminal, flags, server }: InputOptions): InputHandler {
  const base = typeof flags.input === 'string' ? parseObject(flags.input, '--input') : {}
  const words = flags.answer ?? []
  const isAllowed = flags.input !== false
  const hasAnswers = typeof flags.input === 'string' || words.length > 0
  const note = (text: string): void => terminal.err.write(`${terminal.err.paint('yellow', `${safeName(server)}: ${text}`)}\n`)

  async function elicit(params: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    const message = safeLine(typeof params['message'] === 'string' ? params['message'] : '')
    if (params['mode'] === 'url') {
      if (isAllowed && terminal.isInteractive) return toObject(await askElicitation(terminal, params, { server, signal }))
      note(`asks to open ${safeName(String(params['url']))} (${message}). Declined: ${isAllowed ? 'no terminal to ask in' : '--no-input'}.`)
      return { action: 'decline' }
    }
    const node = schemaNode(params['requestedSchema'])
    const prepared = hasAnswers ? fittingAnswers(node, base, words) : undefined
    if (prepared?.isComplete === true) return withDefaults(params, { action: 'accept', content: prepared.content })
    if (isAllowed && terminal.isInteractive) return toObject(await askElicitation(terminal, withFallbacks(params, prepared?.content), { server, signal }))
    const names = [...propertiesOf(node).keys()].map(safeName)
    const how = prepared !== undefined && prepared.problems.length > 0 ? prepared.problems.join(' ') : `Answer with ${names.map((name) => `--answer ${name}=…`).join(' ') || '--input {}'}`
    note(`asks: ${message}${/[.?!…]$/.test(message) ? '' : '.'} Declined${isAllowed ? ': no terminal to ask in' : ' (--no-input)'}. ${isAllowed || hasAnswers ? how : ''}`.trimEnd())
    return { action: 'decline' }
  }

  async function sample(params: JsonObject, signal: AbortSignal): Promise<JsonObject | undefined> {
    const prepared = samplingText(base, words)
    if (prepared !== undefined) return { role: 'assistant', model: 'person', stopReason: 'endTurn', content: { type: 'text', text: prepared } }
    if (isAllowed && terminal.isInteractive) {
      const answer = await askSampling(terminal, params, { server, signal })
      return answer.action === 'accept' ? { ...answer.result } : undefined
    }
    note(`asks for a message of a model. Declined${isAllowed ? ': no terminal to ask in. Answer with --answer sampling=…' : ' (--no-input).'}`)
    return undefined
  }

  const roots = (flags.root ?? []).map((folder) => {
    const path = resolve(folder)
    return { uri: pathToFileURL(path).href, name: basename(path) }
  })
  return { elicit, sample, roots: () => roots }
}

interface Prepared {
  readonly content: JsonObject
  /** Everything that is required is there, and something was answered. */
  readonly isComplete: boolean
  readonly problems: readonly string[]
}

/** The given answers that this form asks for; undefined-like (incomplete, empty) where there are none. */
function fittingAnswers(node: SchemaNode, base: JsonObject, words: readonly string[]): Prepared {
  const names = new Set(propertiesOf(node).keys())
  const own = Object.fromEntries(Object.entries(base).filter(([name]) => names.has(name)))
  const fitting = words.filter((word) => names.has(/^[^=]*?(?=:?=)/.exec(word)?.[0] ?? word))
  const { value, faults, missing } = typeArguments(node, { words: fitting, base: own, readFile: (path) => readFileSync(path, 'utf8') })
  const lacking = missing.filter((name) => resolved(propertiesOf(node).get(name) ?? node).schema['default'] === undefined)
  const problems = [...faults.map(({ message }) => message), ...(lacking.length > 0 ? [`Also needed: ${lacking.map((name) => `--answer ${safeName(name)}=…`).join(' ')}`] : [])]
  const isAnswered = names.size === 0 || Object.keys(value).length > 0
  return { content: value, isComplete: problems.length === 0 && isAnswered, problems }
}

/** The form with what is answered already as its defaults. */
function withFallbacks(params: JsonObject, content: JsonObject | undefined): JsonObject {
  const schema = ownMember(params, 'requestedSchema')
  const properties = isJsonObject(schema) ? ownMember(schema, 'properties') : undefined
  if (content === undefined || !isJsonObject(schema) || !isJsonObject(properties)) return params
  const filled = Object.entries(properties).map(([name, property]): [string, JsonObject[string]] => {
    const value = ownMember(content, name)
    return [name, isJsonObject(property) && value !== undefined ? { ...property, default: value } : property]
  })
  return { ...params, requestedSchema: { ...schema, properties: Object.fromEntries(filled) } }
}

function samplingText(base: JsonObject, words: readonly string[]): string | undefined {
  const word = words.find((one) => one.startsWith(`${SAMPLING}=`))
  if (word !== undefined) return word.slice(SAMPLING.length + 1)
  const value = ownMember(base, SAMPLING)
  return typeof value === 'string' ? value : undefined
}

function toObject(answer: Awaited<ReturnType<typeof askElicitation>>): JsonObject {
  return answer.action === 'accept' ? { action: 'accept', ...(answer.content !== undefined && { content: { ...answer.content } }) } : { action: answer.action }
}

/** A JSON object from the command line. Throws ClientError `usage`. */
export function parseObject(text: string, flag: string): JsonObject {
  const advice = `Write ${flag} '{"name": "value"}'`
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new ClientError('usage', `What follows ${flag} is no JSON: ${error instanceof Error ? error.message : String(error)}`, advice)
  }
  if (!isJsonObject(value)) throw new ClientError('usage', `What follows ${flag} is no JSON object.`, advice)
  return value
}
