/** Lists for people and programs: servers, tools, prompts, resources; and one tool or prompt with its arguments. */

import type { JsonObject } from '../../protocol/json-value.ts'
import { ClientError } from '../client/client-error.ts'
import type { Connection } from '../client/connection.ts'
import { argumentRows, exampleWords, promptSchema, shellWord } from '../client/describe.ts'
import type { InputHandler } from '../client/input.ts'
import { listAll } from '../client/lists.ts'
import type { Listed } from '../client/lists.ts'
import { propertiesOf, requiredOf, schemaNode } from '../client/schema-node.ts'
import type { SchemaNode } from '../client/schema-node.ts'
import { toolHeaderFault } from '../client/tool-headers.ts'
import { findNamed } from './client-names.ts'
import type { ClientFlags } from './client-options.ts'
import { exampleTail, fullName, splitName } from './client-session.ts'
import type { Session, Source } from './client-session.ts'
import { jsonText } from './terminal/json.ts'
import { safeLine, safeName, safeText } from './terminal/safe-text.ts'
import { tableText } from './terminal/table.ts'
import type { Column } from './terminal/table.ts'
import { foldText } from './terminal/text-width.ts'

/** Connecting to that many servers at once is quick and hurts nobody. */
const AT_ONCE = 8

/** `text` for programs as it is, for people indented. */
export function writeJson({ terminal: { out } }: Session, text: string): void {
  out.write(out.isTty ? jsonText(out, text) : `${text}\n`)
}

export async function showServers(session: Session, flags: ClientFlags): Promise<void> {
  const { terminal: { out }, portolan, sources } = session
  if (portolan === undefined) return showServer(session, session.source(undefined), flags)
  if (flags.json === true) {
    const { servers = [], virtualServers = [] } = JSON.parse(portolan.statusText)
    return writeJson(session, JSON.stringify({ servers, virtualServers }))
  }
  const columns: Column[] = [{ title: 'SERVER' }, { title: 'KIND' }, { title: 'STATE', format: stateFormat }, { title: 'ERAS' }, { title: 'ADDRESS', isFlexible: true }]
  const rows = sources.map(({ label, known, target }) => [
    label,
    known?.kind ?? '',
    known?.state || '-',
    known?.eras.join('+') || '-',
    target.kind === 'http' ? target.url : '',
  ])
  out.write(tableText(out, columns, rows))
}

function stateFormat(cell: string): 'green' | 'red' | 'yellow' | undefined {
  return cell === 'ready' ? 'green' : cell === 'degraded' ? 'red' : cell === 'starting' ? 'yellow' : undefined
}

async function showServer(session: Session, source: Source, flags: ClientFlags): Promise<void> {
  const { serverName, revision, era, capabilities } = await session.open(source)
  if (flags.json === true) return writeJson(session, JSON.stringify({ name: serverName, revision, era, capabilities }))
  const { out } = session.terminal
  const columns: Column[] = [{ title: 'SERVER' }, { title: 'REVISION' }, { title: 'ERA' }, { title: 'OFFERS', isFlexible: true }]
  out.write(tableText(out, columns, [[serverName || source.label, revision, era, Object.keys(capabilities).join(', ') || '-']]))
}

/** Servers show more to a client that can be asked; `call` can. Of all at once that would start a process for each. */
const declining: InputHandler = { elicit: () => Promise.resolve({ action: 'decline' }), sample: () => Promise.resolve(undefined), roots: () => [] }

interface Reached {
  readonly source: Source
  readonly connection: Connection
}

/** `work` with each server that was asked for; one that fails is named, and fails no other. */
async function eachServer<T>(session: Session, name: string | undefined, work: (reached: Reached) => Promise<T>): Promise<{ readonly source: Source; readonly value: T }[]> {
  if (name !== undefined || session.portolan === undefined) {
    const source = session.source(name)
    return [{ source, value: await work({ source, connection: await session.open(source, { input: declining }) }) }]
  }
  const results: { readonly source: Source; readonly value: T }[] = []
  const failures: string[] = []
  for (let from = 0; from < session.sources.length; from += AT_ONCE) {
    const some = session.sources.slice(from, from + AT_ONCE)
    const settled = await Promise.allSettled(some.map(async (source) => work({ source, connection: await session.open(source) })))
    session.signal.throwIfAborted()
    for (const [index, source] of some.entries()) {
      const outcome = settled[index]
      if (outcome?.status === 'fulfilled') results.push({ source, value: outcome.value })
      else failures.push(failureText(source, outcome?.reason))
    }
  }
  for (const failure of failures) session.note(failure, 'yellow')
  if (failures.length > 0) session.fail()
  return results
}

/** A failure that names its server, once. */
export function failureText({ label }: Source, reason: unknown): string {
  const message = reason instanceof Error ? reason.message : 'no answer'
  return message.startsWith(`${label} `) ? message : `${label}: ${message}`
}

interface Kind {
  readonly kind: 'tools' | 'prompts'
  readonly title: string
  readonly schemaOf: (item: JsonObject) => SchemaNode
  readonly verb: 'call' | 'get'
}

const TOOLS: Kind = { kind: 'tools', title: 'TOOL', schemaOf: ({ inputSchema }) => schemaNode(inputSchema), verb: 'call' }
const PROMPTS: Kind = { kind: 'prompts', title: 'PROMPT', schemaOf: promptSchema, verb: 'get' }

export function showTools(session: Session, flags: ClientFlags & { readonly describe?: boolean }): Promise<void> {
  return showItems(session, { ...flags, isWhole: flags.describe === true }, TOOLS)
}

export function showPrompts(session: Session, flags: ClientFlags): Promise<void> {
  return showItems(session, { ...flags, isWhole: false }, PROMPTS)
}

async function showItems(session: Session, flags: ClientFlags & { readonly isWhole: boolean }, kind: Kind): Promise<void> {
  const { server, rest } = splitName(session, session.words[0])
  if (rest !== undefined) {
    const source = session.source(server)
    const connection = await session.open(source, { input: declining })
    const item = await findNamed(session, { source, connection, kind: kind.kind, name: rest })
    return flags.json === true ? writeJson(session, JSON.stringify(item)) : describe(session, source, item, { kind, flags })
  }
  const lists = await eachServer(session, server, async ({ source, connection }) => usable(session, { source, connection }, kind.kind))
  if (flags.json === true) return writeJson(session, jointText(session, server, lists))
  if (flags.isWhole) {
    for (const { source, value } of lists) for (const item of value.items) describe(session, source, item, { kind, flags })
    return
  }
  const rows = lists.flatMap(({ source, value }) => value.items.map((item) => [
    fullName(session, source, nameOf(item)),
    argumentsText(kind.schemaOf(item)),
    firstSentence(safeLine(descriptionOf(item))),
  ]))
  writeTable(session, [{ title: kind.title }, { title: 'ARGUMENTS', isFlexible: true }, { title: 'DESCRIPTION', isFlexible: true }], rows, `no ${kind.kind}`)
}

/** S26 server/tools: a tool whose header rules are wrong is left out, and said to be. */
async function usable(session: Session, { source, connection }: Reached, kind: 'tools' | 'prompts'): Promise<Listed> {
  const listed = await listAll(connection, kind, session.signal)
  if (kind === 'prompts' || connection.era === 'legacy' || !connection.isHttp) return listed
  const items = listed.items.filter((tool) => {
    const fault = toolHeaderFault(tool)
    if (fault !== '') session.note(`${fullName(session, source, nameOf(tool))} is left out: its definition is wrong (${fault})`, 'yellow')
    return fault === ''
  })
  return { ...listed, items }
}

export async function showResources(session: Session, flags: ClientFlags): Promise<void> {
  const server = session.portolan === undefined ? undefined : session.words[0]
  const lists = await eachServer(session, server, async ({ connection }) => {
    const resources = await listAll(connection, 'resources', session.signal)
    const templates = await listAll(connection, 'resourceTemplates', session.signal)
    return { items: [...resources.items, ...templates.items], text: `{"resources":${resources.text},"templates":${templates.text}}` }
  })
  if (flags.json === true) return writeJson(session, jointText(session, server, lists))
  const rows = lists.flatMap(({ source, value }) => value.items.map((item) => [
    ...(session.portolan === undefined ? [] : [source.label]),
    String(item['uri'] ?? item['uriTemplate'] ?? ''),
    typeof item['mimeType'] === 'string' ? item['mimeType'] : '-',
    safeLine([item['title'] ?? item['name'], item['description']].filter((part) => typeof part === 'string').join(': ')),
  ]))
  const columns: Column[] = [{ title: 'URI' }, { title: 'TYPE' }, { title: 'DESCRIPTION', isFlexible: true }]
  writeTable(session, session.portolan === undefined ? columns : [{ title: 'SERVER' }, ...columns], rows, 'no resources')
}

/** One server's result as it was sent; of several, an object with each under its name. */
function jointText(session: Session, server: string | undefined, lists: readonly { readonly source: Source; readonly value: { readonly text: string } }[]): string {
  const [only] = lists
  if (only !== undefined && (server !== undefined || session.portolan === undefined)) return only.value.text
  return `{${lists.map(({ source, value }) => `${JSON.stringify(source.label)}:${value.text}`).join(',')}}`
}

function writeTable(session: Session, columns: readonly Column[], rows: readonly (readonly string[])[], nothing: string): void {
  if (rows.length === 0) session.note(`There are ${nothing}.`)
  else session.terminal.out.write(tableText(session.terminal.out, columns, rows))
}

function nameOf(item: JsonObject): string {
  return typeof item['name'] === 'string' ? item['name'] : ''
}

/** In a list a tool has a line, not its manual: that is what `<server>/<tool>` and --describe show. */
export function firstSentence(text: string): string {
  const [sentence = ''] = /^.*?[.!?](?= |$)/.exec(text) ?? [text]
  return sentence.length <= SENTENCE_LENGTH ? sentence.replace(/\.$/, '') : `${sentence.slice(0, SENTENCE_LENGTH - 1).replace(/\s+\S*$/, '')}…`
}

const SENTENCE_LENGTH = 120

function descriptionOf({ description, title }: JsonObject): string {
  return typeof description === 'string' ? description : typeof title === 'string' ? title : ''
}

/** `city [unit] [days]`: what is required stands bare. */
function argumentsText(node: SchemaNode): string {
  const required = requiredOf(node)
  return [...propertiesOf(node).keys()].map((name) => (required.has(name) ? name : `[${name}]`)).join(' ') || '-'
}

interface DescribeOptions {
  readonly kind: Kind
  readonly flags: ClientFlags
}

function describe(session: Session, source: Source, item: JsonObject, { kind, flags }: DescribeOptions): void {
  const { out } = session.terminal
  const node = kind.schemaOf(item)
  const name = fullName(session, source, nameOf(item))
  const rows = argumentRows(node).map((row) => [row.name, row.type, row.isRequired ? 'required' : row.fallback === '' ? 'optional' : `default ${row.fallback}`, safeLine(row.description)])
  const hints = hintsOf(item)
  const description = descriptionOf(item)
  out.write(`${out.paint('bold', safeName(name))}${hints === '' ? '' : out.paint('dim', `  (${hints})`)}\n`)
  const told = safeText(description.trim())
  if (told !== '') out.write(`${out.isTty ? foldText(told, out.width()).join('\n') : told}\n`)
  out.write('\n')
  if (rows.length === 0) out.write('It takes no arguments.\n')
  else out.write(tableText(out, [{ title: 'ARGUMENT' }, { title: 'TYPE', isFlexible: true }, { title: 'NEEDED' }, { title: 'DESCRIPTION', isFlexible: true }], rows))
  const words = ['portolan', kind.verb, shellWord(name), ...exampleWords(node)].join(' ')
  out.write(`\nExample:\n  ${safeName(words + exampleTail(session, flags))}\n\n`)
}

/** What the tool says of itself; hints, not promises. */
function hintsOf({ annotations }: JsonObject): string {
  if (typeof annotations !== 'object' || annotations === null || Array.isArray(annotations)) return ''
  const said: Readonly<Record<string, unknown>> = { ...annotations }
  const words = [
    said['readOnlyHint'] === true ? 'read-only' : '',
    said['destructiveHint'] === true && said['readOnlyHint'] !== true ? 'may destroy' : '',
    said['idempotentHint'] === true ? 'may be repeated' : '',
    said['openWorldHint'] === true ? 'reaches outside' : '',
  ]
  return words.filter((word) => word !== '').join(', ')
}

/** The refusal of a command that lacks its words. */
export function missingWord(what: string, example: string): ClientError {
  return new ClientError('usage', `Say which ${what}.`, `For example: ${example}`)
}
