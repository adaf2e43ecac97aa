/** Calls tools, gets prompts, reads resources, asks for completions; shows what comes while they run, and what they give. */

import { readFileSync } from 'node:fs'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject, JsonValue } from '../../protocol/json-value.ts'
import { nodeAt, typeArguments } from '../client/arguments.ts'
import { ClientError } from '../client/client-error.ts'
import type { Connection, RequestOptions } from '../client/connection.ts'
import { exampleWords, promptSchema, shellWord } from '../client/describe.ts'
import { resolved, schemaNode, typesOf, valuesOf } from '../client/schema-node.ts'
import type { SchemaNode } from '../client/schema-node.ts'
import type { RawResult } from '../client/tap.ts'
import { createInputHandler, parseObject } from './client-input.ts'
import { missingWord, writeJson } from './client-lists.ts'
import { findNamed } from './client-names.ts'
import type { ClientFlags, InputFlags } from './client-options.ts'
import { exampleTail, fullName, showLog, splitName } from './client-session.ts'
import type { Session, Source } from './client-session.ts'
import { leaveTask, taskAsked } from './client-task.ts'
import type { TaskFlags } from './client-task.ts'
import { showContent, showResource } from './terminal/content.ts'
import { askElicitation } from './terminal/form.ts'
import { jsonText } from './terminal/json.ts'
import { createProgress } from './terminal/progress.ts'
import { safeName } from './terminal/safe-text.ts'

type CallFlags = InputFlags & { readonly args?: string }

export async function callTool(session: Session, flags: CallFlags & TaskFlags): Promise<void> {
  const { source, connection, name } = await openNamed(session, flags, 'tool')
  const tool = await findNamed(session, { source, connection, kind: 'tools', name })
  const args = await argumentsFor(session, flags, { source, name, node: schemaNode(tool['inputSchema']), verb: 'call' })
  const label = fullName(session, source, name)
  const asked = taskAsked(session, connection, tool, flags)
  const result = await request(session, label, (options) => connection.request('tools/call', { name, arguments: args }, { ...options, ...asked, tool }))
  if (leaveTask(session, { source, connection, result, asked, flags })) return
  await showOutcome(session, result, { flags, name, label })
}

/** The result of a tool; where it reports an error the command has failed. */
export async function showOutcome(session: Session, result: RawResult, { flags, name, label }: { readonly flags: InputFlags; readonly name: string; readonly label: string }): Promise<void> {
  const isError = result.value['isError'] === true
  if (isError) session.fail()
  if (flags.json === true) return writeJson(session, result.text)
  if (isError) session.note(`${label} reports an error:`, 'red')
  await showResult(session, result.value, { folder: flags.output ?? '.', name })
}

async function showResult(session: Session, value: JsonObject, options: { readonly folder: string; readonly name: string }): Promise<void> {
  const { content, structuredContent } = value
  const blocks: readonly JsonValue[] = Array.isArray(content) ? content : []
  if (structuredContent === undefined) return showContent(session.terminal, blocks, options)
  // S26 server/tools: the same is often there as text once more.
  const text = JSON.stringify(structuredContent)
  const others = blocks.filter((block) => !isSameJson(block, text))
  await showContent(session.terminal, others, options)
  session.terminal.out.write(jsonText(session.terminal.out, text))
}

function isSameJson(block: JsonValue, json: string): boolean {
  if (!isJsonObject(block) || typeof block['text'] !== 'string') return false
  try {
    return JSON.stringify(JSON.parse(block['text'])) === json
  } catch {
    return false
  }
}

export async function getPrompt(session: Session, flags: CallFlags): Promise<void> {
  const { source, connection, name } = await openNamed(session, flags, 'prompt')
  const prompt = await findNamed(session, { source, connection, kind: 'prompts', name })
  const args = await argumentsFor(session, flags, { source, name, node: promptSchema(prompt), verb: 'get' })
  const result = await request(session, fullName(session, source, name), (options) => connection.request('prompts/get', { name, arguments: args }, options))
  if (flags.json === true) return writeJson(session, result.text)
  const { out } = session.terminal
  const messages: readonly JsonValue[] = Array.isArray(result.value['messages']) ? result.value['messages'] : []
  for (const message of messages) {
    if (!isJsonObject(message)) continue
    out.write(`${out.paint('bold', `${safeName(String(message['role']))}:`)}\n`)
    await showContent(session.terminal, [message['content']].flat(), { folder: flags.output ?? '.', name })
  }
}

export async function readResource(session: Session, flags: InputFlags): Promise<void> {
  const [first, second] = session.words
  const isDirect = session.portolan === undefined
  const { server, rest } = second === undefined && !isDirect ? splitName(session, first) : { server: first, rest: second ?? first }
  if (rest === undefined) throw missingWord('resource', 'portolan read <server> <uri>. portolan resources lists them.')
  const source = session.source(isDirect ? undefined : server)
  const connection = await openFor(session, source, flags)
  const result = await request(session, rest, (options) => connection.request('resources/read', { uri: rest }, options))
  if (flags.json === true) return writeJson(session, result.text)
  const { contents } = result.value
  const name = /[^/]+(?=\/*$)/.exec(rest)?.[0] ?? 'resource'
  await showResource(session.terminal, Array.isArray(contents) ? contents : [], { folder: flags.output ?? '.', name })
}

export async function completeArgument(session: Session, flags: ClientFlags & { readonly resource?: string }): Promise<void> {
  const { server, rest } = splitName(session, flags.resource !== undefined && session.portolan === undefined ? undefined : session.words[0])
  const words = session.words.slice(flags.resource !== undefined && session.portolan === undefined ? 0 : 1)
  const name = rest ?? ''
  if (name === '' && flags.resource === undefined) throw missingWord('prompt', 'portolan complete <server>/<prompt> name=beginning')
  const pairs = words.map((word): [string, string] => [word.split('=', 1)[0] ?? '', word.slice(word.indexOf('=') + 1)])
  const [asked, ...known] = pairs
  if (asked === undefined || words.some((word) => !word.includes('='))) throw missingWord('argument', 'name=beginning')
  const connection = await session.open(session.source(server))
  const params: JsonObject = {
    ref: flags.resource === undefined ? { type: 'ref/prompt', name } : { type: 'ref/resource', uri: flags.resource },
    argument: { name: asked[0], value: asked[1] },
    ...(known.length > 0 && { context: { arguments: Object.fromEntries(known) } }),
  }
  const { text, value } = await connection.request('completion/complete', params, { signal: session.signal })
  if (flags.json === true) return writeJson(session, text)
  const completion = isJsonObject(value['completion']) ? value['completion'] : {}
  const values = Array.isArray(completion['values']) ? completion['values'] : []
  for (const one of values) session.terminal.out.write(`${safeName(String(one))}\n`)
  if (values.length === 0) session.note('The server suggests nothing.')
  else if (completion['hasMore'] === true) session.note('There are more.')
}

async function openNamed(session: Session, flags: InputFlags, what: 'tool' | 'prompt'): Promise<{ source: Source; connection: Connection; name: string }> {
  const { server, rest } = splitName(session, session.words[0])
  const verb = what === 'tool' ? 'call' : 'get'
  if (rest === undefined || rest === '') {
    if (server !== undefined) session.source(server)
    throw missingWord(what, session.portolan === undefined ? `portolan ${verb} <${what}> …` : `portolan ${verb} ${server ?? '<server>'}/<${what}>. portolan ${what}s lists them.`)
  }
  const source = session.source(server)
  return { source, connection: await openFor(session, source, flags), name: rest }
}

/** With whoever answers what the server asks. */
export function openFor(session: Session, source: Source, flags: InputFlags): Promise<Connection> {
  const { terminal } = session
  return session.open(source, {
    input: createInputHandler({ terminal, flags, server: source.label }),
    logLevel: flags.logLevel ?? 'info',
    onHeard: (heard) => showLog(session, source.label, heard),
  }).then(async (connection) => {
    if (flags.logLevel !== undefined && connection.era === 'legacy') await setLevel(connection, flags.logLevel)
    return connection
  })
}

/** Tells a legacy session the level, where the server has logs at all. */
export async function setLevel(connection: Connection, level: string): Promise<void> {
  if (connection.capabilities['logging'] !== undefined) await connection.request('logging/setLevel', { level })
}

/** Runs what may take long, with a bar that says how far it is. */
export async function request(session: Session, label: string, run: (options: RequestOptions) => Promise<RawResult>): Promise<RawResult> {
  const progress = createProgress(session.terminal)
  const bar = progress.start(safeName(label))
  try {
    return await run({ signal: session.signal, onProgress: bar.report })
  } finally {
    bar.done()
    progress.close()
  }
}

interface Wanted {
  readonly source: Source
  readonly name: string
  readonly node: SchemaNode
  readonly verb: 'call' | 'get'
}

/** What was typed, checked; what is missing is asked for where somebody can answer. */
async function argumentsFor(session: Session, flags: CallFlags, { source, name, node, verb }: Wanted): Promise<JsonObject> {
  const base = flags.args === undefined ? {} : parseObject(flags.args === '-' ? readFileSync(0, 'utf8') : flags.args, '--args')
  const words = session.words.slice(1)
  const { value, faults, missing } = typeArguments(node, { words, base, readFile: (path) => readFileSync(path, 'utf8') })
  const shown = shellWord(fullName(session, source, name))
  const help = `portolan ${verb === 'call' ? 'tools' : 'prompts'} ${shown}${exampleTail(session, flags)} shows what it takes. To send anything as it is: --args '{…}'`
  if (faults.length > 0) throw new ClientError('usage', faults.map(({ message }) => message).join('\n'), help)
  if (missing.length === 0) return value
  const isAsked = session.terminal.isInteractive && flags.args !== '-' && flags.input !== false && missing.every((one) => isAskable(nodeAt(node, one)))
  if (!isAsked) {
    const example = ['portolan', verb, shown, ...exampleWords(node)].join(' ') + exampleTail(session, flags)
    throw new ClientError('usage', `${fullName(session, source, name)} needs ${missing.join(', ')}.`, `For example: ${example}\n  ${help}`)
  }
  const fields = missing.map((one): [string, JsonObject] => [one, formField(nodeAt(node, one))])
  const form = { mode: 'form', message: `${fullName(session, source, name)} needs ${missing.join(', ')}`, requestedSchema: { type: 'object', properties: Object.fromEntries(fields), required: missing } }
  const answer = await askElicitation(session.terminal, form, { server: fullName(session, source, name), signal: session.signal })
  if (answer.action !== 'accept') throw new ClientError('cancelled', 'Nothing was sent.')
  const given = Object.entries(answer.content ?? {}).map(([field, one]) => `${field}:=${JSON.stringify(one)}`)
  return typeArguments(node, { words: given, base: value, readFile: () => '' }).value
}

/** What a form can ask for: elicitation knows text, numbers, booleans and choices. */
function isAskable(node: SchemaNode): boolean {
  const types = typesOf(node)
  return types.size > 0 && [...types].every((type) => type !== 'object' && type !== 'array' && type !== 'null')
}

function formField(node: SchemaNode): JsonObject {
  const { schema } = resolved(node)
  const values = valuesOf(node)
  const choices = values?.filter((value) => typeof value === 'string')
  const [type = 'string'] = typesOf(node)
  const { title, description, default: fallback, minimum, maximum, minLength, maxLength, format } = schema
  const said = { title, description, default: fallback, minimum, maximum, minLength, maxLength, format }
  const known = Object.fromEntries(Object.entries(said).flatMap(([key, value]): [string, JsonValue][] => (value === undefined ? [] : [[key, value]])))
  return { ...known, type, ...(choices !== undefined && choices.length > 0 && choices.length === values?.length && { enum: choices }) }
}
