/** The filter of `subscriptions/listen`, and what its stream begins and ends with (S26 basic/patterns/subscriptions). */
import { hasCapability } from './method.ts'
import { isJsonObject } from './json-value.ts'
import type { JsonObject, JsonValue } from './json-value.ts'
import { asciiJson } from './json.ts'
import type { WireText } from './json.ts'
import type { IdText } from './message.ts'
import { META } from './meta.ts'
import { fail, ok } from './result.ts'
import type { Result } from './result.ts'
import type { ServerCapabilities } from './capability.ts'

/** What a listen asks for, every key there. */
export interface SubscriptionFilter {
  readonly toolsListChanged: boolean
  readonly promptsListChanged: boolean
  readonly resourcesListChanged: boolean
  /** URIs, each once, in the client's order. */
  readonly resourceSubscriptions: readonly string[]
  /** Tasks extension. Each once, in the client's order. */
  readonly taskIds: readonly string[]
  /** Keys of extensions that we do not know, as received. */
  readonly other: JsonObject
}

/** A malformed filter: `invalid_params`. */
export interface FilterFault {
  readonly reason: 'wrong_type'
  /** The key within `notifications`; undefined where `notifications` itself is no object. */
  readonly key: string | undefined
  readonly expected: 'an object' | 'a boolean' | 'an array of strings'
}

const FLAGS = ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged'] as const
const LISTS = ['resourceSubscriptions', 'taskIds'] as const

/** The filter that asks for nothing. */
export const NO_SUBSCRIPTIONS: SubscriptionFilter = {
  toolsListChanged: false,
  promptsListChanged: false,
  resourcesListChanged: false,
  resourceSubscriptions: [],
  taskIds: [],
  other: {},
}

/** Reads `params.notifications` of a listen, or of its acknowledgement. */
export function readFilter(value: JsonValue | undefined): Result<SubscriptionFilter, FilterFault> {
  if (!isJsonObject(value)) return fail({ reason: 'wrong_type', key: undefined, expected: 'an object' })
  const flags: { [key in (typeof FLAGS)[number]]?: boolean } = {}
  for (const key of FLAGS) {
    const flag = value[key] ?? false
    if (typeof flag !== 'boolean') return fail({ reason: 'wrong_type', key, expected: 'a boolean' })
    flags[key] = flag
  }
  const lists: { [key in (typeof LISTS)[number]]?: readonly string[] } = {}
  for (const key of LISTS) {
    const list: JsonValue = value[key] ?? []
    if (!isStringArray(list)) return fail({ reason: 'wrong_type', key, expected: 'an array of strings' })
    lists[key] = [...new Set(list)]
  }
  const known: readonly string[] = [...FLAGS, ...LISTS]
  const other = Object.fromEntries(Object.entries(value).filter(([key]) => !known.includes(key)))
  return ok({ ...NO_SUBSCRIPTIONS, ...flags, ...lists, other })
}

function isStringArray(value: JsonValue): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string')
}

/** The filter as JSON: what is not asked for is omitted. */
export function writeFilter(filter: SubscriptionFilter): JsonObject {
  const flags = FLAGS.filter((key) => filter[key]).map((key) => [key, true] as const)
  const lists = LISTS.filter((key) => filter[key].length > 0).map((key) => [key, filter[key]] as const)
  return Object.fromEntries<JsonValue>([...flags, ...lists, ...Object.entries(filter.other)])
}

/** The part of the filter that a server with these capabilities can honour. Task ids and unknown keys stay: ask it. */
export function honourable(requested: SubscriptionFilter, capabilities: ServerCapabilities): SubscriptionFilter {
  return {
    ...requested,
    toolsListChanged: requested.toolsListChanged && hasCapability(capabilities, 'tools.listChanged'),
    promptsListChanged: requested.promptsListChanged && hasCapability(capabilities, 'prompts.listChanged'),
    resourcesListChanged: requested.resourcesListChanged && hasCapability(capabilities, 'resources.listChanged'),
    resourceSubscriptions: hasCapability(capabilities, 'resources.subscribe') ? requested.resourceSubscriptions : [],
  }
}

/** Whether an update concerns what was subscribed to: it may name a sub-resource (schema, ResourceUpdatedNotificationParams). */
export function covers(subscribed: string, updated: string): boolean {
  if (!updated.startsWith(subscribed)) return false
  if (updated.length === subscribed.length || subscribed.endsWith('/')) return true
  const next = updated[subscribed.length]
  return next === '/' || next === '?' || next === '#'
}

/** The first message of a listen's stream. `idText` is the id of this hop's listen, as written. */
export function acknowledgedText(idText: IdText, filter: SubscriptionFilter): WireText {
  const params = `${subscriptionMeta(idText)},"notifications":${asciiJson(writeFilter(filter))}`
  return `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{${params}}}`
}

/** The `result` of a listen that ends gracefully. */
export function listenResultText(idText: IdText): WireText {
  return `{"resultType":"complete",${subscriptionMeta(idText)}}`
}

/** The member of `params` or `result` by which every message of a listen's stream names it. */
export function subscriptionMeta(idText: IdText): WireText {
  return `"_meta":{"${META.subscriptionId}":${idText}}`
}
