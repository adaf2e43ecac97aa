/**
 * Capabilities of clients and servers, open: unknown keys are kept. What of them concerns input to a call, what may be
 * declared to an upstream of another revision, and what an endpoint over several servers may advertise.
 */
import { isJsonObject } from './json-value.ts'
import type { JsonObject, JsonValue } from './json-value.ts'
import { traitsOf } from './revision.ts'
import type { Revision } from './revision.ts'

/** The tasks extension's identifier (ext-tasks). */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'

/** What a client declares, in any revision's form. Values are as received: check before use. */
export interface ClientCapabilities extends JsonObject {
  readonly roots?: JsonObject
  readonly sampling?: JsonObject
  readonly elicitation?: JsonObject
  /** 2025-11-25: tasks that the client hosts. */
  readonly tasks?: JsonObject
  readonly extensions?: JsonObject
  readonly experimental?: JsonObject
}

/** What a server declares, in any revision's form. Values are as received: check before use. */
export interface ServerCapabilities extends JsonObject {
  readonly tools?: JsonObject
  readonly prompts?: JsonObject
  readonly resources?: JsonObject
  readonly completions?: JsonObject
  readonly logging?: JsonObject
  /** 2025-11-25 only. */
  readonly tasks?: JsonObject
  readonly extensions?: JsonObject
  readonly experimental?: JsonObject
}

/** What a server may ask of a client in the middle of a call. */
export type InputCapability =
  | 'roots'
  | 'sampling'
  | 'sampling.tools'
  | 'sampling.context'
  | 'elicitation.form'
  | 'elicitation.url'
  | 'tasks.sampling'
  | 'tasks.elicitation'

/** In the order that `capabilityClass` uses. */
export const INPUT_CAPABILITIES: readonly InputCapability[] = [
  'roots', 'sampling', 'sampling.tools', 'sampling.context', 'elicitation.form', 'elicitation.url', 'tasks.sampling',
  'tasks.elicitation',
]

/** The input capabilities that the revision has words for. */
export function inputKnownTo(revision: Revision): ReadonlySet<InputCapability> {
  const traits = traitsOf(revision)
  const known: InputCapability[] = ['roots', 'sampling']
  if (traits.samplingTools) known.push('sampling.tools')
  if (traits.samplingContext) known.push('sampling.context')
  if (traits.elicitation !== 'none') known.push('elicitation.form')
  if (traits.elicitation === 'form+url') known.push('elicitation.url')
  if (traits.tasks === 'core') known.push('tasks.sampling', 'tasks.elicitation')
  return new Set(known)
}

/**
 * What a client of `revision` can be asked for. Keys that its revision does not have count for nothing.
 * `elicitation: {}` is form mode (S26 client/elicitation, Capabilities).
 */
export function declaredInput(capabilities: ClientCapabilities, revision: Revision): ReadonlySet<InputCapability> {
  const known = inputKnownTo(revision)
  return new Set(declared(capabilities, known.has('elicitation.url')).filter((capability) => known.has(capability)))
}

function declared(capabilities: ClientCapabilities, urlModeExists: boolean): InputCapability[] {
  const { roots, sampling, elicitation, tasks } = capabilities
  const found: InputCapability[] = []
  if (isJsonObject(roots)) found.push('roots')
  if (isJsonObject(sampling)) {
    found.push('sampling')
    if (isJsonObject(sampling['tools'])) found.push('sampling.tools')
    if (isJsonObject(sampling['context'])) found.push('sampling.context')
  }
  if (isJsonObject(elicitation)) {
    const url = urlModeExists && isJsonObject(elicitation['url'])
    if (!url || isJsonObject(elicitation['form'])) found.push('elicitation.form')
    if (url) found.push('elicitation.url')
  }
  const requests = isJsonObject(tasks) ? tasks['requests'] : undefined
  if (hasObjectAt(requests, 'sampling', 'createMessage')) found.push('tasks.sampling')
  if (hasObjectAt(requests, 'elicitation', 'create')) found.push('tasks.elicitation')
  return found
}

function hasObjectAt(value: JsonValue | undefined, first: string, second: string): boolean {
  const inner = isJsonObject(value) ? value[first] : undefined
  return isJsonObject(inner) && isJsonObject(inner[second])
}

/**
 * A short, stable key of declared input: equal exactly where the sets are equal; '' for a client that can be asked for
 * nothing. It separates pooled upstream sessions (bridge-rulings §3).
 */
export function capabilityClass(input: ReadonlySet<InputCapability>): string {
  return INPUT_CAPABILITIES.filter((capability) => input.has(capability)).join(',')
}

/** The capabilities object that declares exactly this input: for `data.requiredCapabilities`, and for upstreams. */
export function inputAsCapabilities(input: ReadonlySet<InputCapability>): ClientCapabilities {
  const sampling = {
    ...(input.has('sampling.tools') ? { tools: {} } : {}),
    ...(input.has('sampling.context') ? { context: {} } : {}),
  }
  const url = input.has('elicitation.url')
  const elicitation = { ...(input.has('elicitation.form') && url ? { form: {} } : {}), ...(url ? { url: {} } : {}) }
  const taskRequests = {
    ...(input.has('tasks.sampling') ? { sampling: { createMessage: {} } } : {}),
    ...(input.has('tasks.elicitation') ? { elicitation: { create: {} } } : {}),
  }
  const asksSampling = input.has('sampling') || Object.keys(sampling).length > 0
  return {
    ...(input.has('roots') ? { roots: {} } : {}),
    ...(asksSampling ? { sampling } : {}),
    ...(input.has('elicitation.form') || url ? { elicitation } : {}),
    ...(Object.keys(taskRequests).length > 0 ? { tasks: { requests: taskRequests } } : {}),
  }
}

/** The input that a server-to-client request (or an entry of `inputRequests`) needs; empty where it needs none. */
export function inputNeededBy(method: string, params: JsonObject): readonly InputCapability[] {
  switch (method) {
    case 'roots/list':
      return ['roots']
    case 'sampling/createMessage': {
      const needed: InputCapability[] = ['sampling']
      if (Object.hasOwn(params, 'tools') || Object.hasOwn(params, 'toolChoice')) needed.push('sampling.tools')
      if (params['includeContext'] === 'thisServer' || params['includeContext'] === 'allServers') needed.push('sampling.context')
      if (isJsonObject(params['task'])) needed.push('tasks.sampling')
      return needed
    }
    case 'elicitation/create': {
      const needed: InputCapability[] = [params['mode'] === 'url' ? 'elicitation.url' : 'elicitation.form']
      if (isJsonObject(params['task'])) needed.push('tasks.elicitation')
      return needed
    }
    default:
      return []
  }
}

/** The pair of revisions that a call passes between. */
export interface Hop {
  readonly client: Revision
  readonly upstream: Revision
}

/**
 * What may be declared to an upstream on behalf of a client: its input as both revisions know it, nothing that either
 * lacks (bridge-rulings §4). Extensions, experimental and unknown keys pass, except the tasks extension to a revision
 * that has another form of tasks. `roots.listChanged` is declared to every upstream that has it for a modern client,
 * because Portolan itself notices the change (bridge-rulings §4, Roots).
 */
export function mirrorCapabilities(capabilities: ClientCapabilities, hop: Hop): ClientCapabilities {
  const known = inputKnownTo(hop.upstream)
  const input = new Set([...declaredInput(capabilities, hop.client)].filter((capability) => known.has(capability)))
  const { roots, sampling: _sampling, elicitation: _elicitation, tasks, extensions, ...open } = capabilities
  const own = inputAsCapabilities(input)
  const mirrored: { [key: string]: JsonValue } = { ...open, ...own }
  if (own.roots !== undefined) mirrored['roots'] = mirrorRoots(roots, hop)
  if (own.tasks !== undefined) mirrored['tasks'] = { ...withoutKeys(tasks, ['requests']), ...own.tasks }
  const kept = mirrorExtensions(extensions, hop.upstream)
  if (kept !== undefined) mirrored['extensions'] = kept
  return mirrored
}

function mirrorRoots(roots: JsonObject | undefined, hop: Hop): JsonObject {
  if (!traitsOf(hop.upstream).rootsListChanged) return {}
  const changes = !traitsOf(hop.client).rootsListChanged || roots?.['listChanged'] === true
  return changes ? { listChanged: true } : {}
}

function mirrorExtensions(extensions: JsonValue | undefined, upstream: Revision): JsonObject | undefined {
  if (!isJsonObject(extensions)) return undefined
  return traitsOf(upstream).tasks === 'extension' ? extensions : withoutKeys(extensions, [TASKS_EXTENSION])
}

function withoutKeys(object: JsonObject | undefined, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([key]) => !keys.includes(key)))
}

/** Whether a client of a modern revision declared the extension on this request. */
export function declaresExtension(capabilities: ClientCapabilities | ServerCapabilities, id: string): boolean {
  const extensions = capabilities.extensions
  return isJsonObject(extensions) && Object.hasOwn(extensions, id) && isJsonObject(extensions[id])
}

/**
 * What an endpoint over several servers advertises: a feature that any has, a boolean that any sets, and under
 * `extensions`, `experimental` and unknown keys every entry, the first server's settings winning where two differ.
 */
export function mergeServerCapabilities(list: readonly ServerCapabilities[]): ServerCapabilities {
  return list.reduce<ServerCapabilities>((all, one) => mergeObjects(all, one), {})
}

function mergeObjects(first: JsonObject, second: JsonObject): JsonObject {
  const merged: { [key: string]: JsonValue } = Object.create(null)
  for (const [key, value] of [...Object.entries(first), ...Object.entries(second)]) {
    const before = merged[key]
    if (before === undefined) merged[key] = value
    else if (isJsonObject(before) && isJsonObject(value)) merged[key] = mergeObjects(before, value)
    else if (before === false && value === true) merged[key] = true
  }
  return { ...merged }
}

/**
 * A server's capabilities in the words of a client's revision. Tasks change form between revisions and are left out
 * unless both have the same one: whoever carries them advertises them with `withTasks`.
 */
export function convertServerCapabilities(capabilities: ServerCapabilities, hop: Hop): ServerCapabilities {
  const client = traitsOf(hop.client)
  const sameTasks = traitsOf(hop.upstream).tasks === client.tasks
  const { tasks, extensions, completions, ...open } = capabilities
  const completes = completions ?? (traitsOf(hop.upstream).completionsCapability ? undefined : {})
  const kept = isJsonObject(extensions) && !sameTasks ? withoutKeys(extensions, [TASKS_EXTENSION]) : extensions
  return {
    ...open,
    ...(completes !== undefined && client.completionsCapability ? { completions: completes } : {}),
    ...(tasks !== undefined && sameTasks && client.tasks === 'core' ? { tasks } : {}),
    ...(kept === undefined ? {} : { extensions: kept }),
  }
}

/** The same capabilities, advertising tasks in the form of the client's revision; unchanged where it has none. */
export function withTasks(capabilities: ServerCapabilities, client: Revision): ServerCapabilities {
  switch (traitsOf(client).tasks) {
    case 'none':
      return capabilities
    case 'core':
      return { ...capabilities, tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } }
    case 'extension':
      return { ...capabilities, extensions: { ...capabilities.extensions, [TASKS_EXTENSION]: {} } }
  }
}
