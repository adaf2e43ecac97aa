/**
 * Every method of every revision, in one table: who sends it, what it is routed by, what it needs. Methods that are not
 * here are unknown to the protocol and are nobody's business but the two ends' (design §7, guarantee 8).
 */
import { TASKS_EXTENSION } from './capability.ts'
import { SKILLS_EXTENSION } from './extension.ts'
import { isJsonObject, ownMember } from './json-value.ts'
import type { JsonObject } from './json-value.ts'
import { SUPPORTED_LEGACY, SUPPORTED_MODERN, traitsOf } from './revision.ts'
import type { Revision } from './revision.ts'

/** One end of a hop. */
export type Side = 'client' | 'server'

/** The member of `params` that says what a request is about; `ref`: its `name` or `uri`, by its `type`. */
export type RoutedBy = 'name' | 'uri' | 'taskId' | 'ref' | 'none'

/** What a method is in one era. */
export interface MethodTraits {
  /** `input`: not a JSON-RPC message but an entry of `inputRequests` (S26 basic/patterns/mrtr). */
  readonly kind: 'request' | 'notification' | 'input'
  /** Who may send it. */
  readonly from: readonly Side[]
  readonly revisions: readonly Revision[]
  readonly routedBy: RoutedBy
  /** The member that `Mcp-Name` mirrors. */
  readonly mcpName: 'name' | 'uri' | 'taskId' | 'none'
  /** Its result carries `ttlMs` and `cacheScope`. */
  readonly cacheable: boolean
  /** Its result may be `input_required`. */
  readonly mayNeedInput: boolean
  /** What the server must have declared, as a path into its capabilities; undefined: nothing. */
  readonly serverCapability: string | undefined
  /** What the client must have declared, as a path into its capabilities; undefined: nothing. */
  readonly clientCapability: string | undefined
  /** The extension that defines it; undefined: the core. */
  readonly extension: string | undefined
}

/** A method in both eras; an era that lacks it has no entry. */
export interface MethodRow {
  readonly legacy?: MethodTraits
  readonly modern?: MethodTraits
}

const REQUEST: MethodTraits = {
  kind: 'request',
  from: ['client'],
  revisions: [],
  routedBy: 'none',
  mcpName: 'none',
  cacheable: false,
  mayNeedInput: false,
  serverCapability: undefined,
  clientCapability: undefined,
  extension: undefined,
}
const BOTH_SIDES: readonly Side[] = ['client', 'server']
const SERVER: readonly Side[] = ['server']

type Given = Partial<MethodTraits>

const legacyOf = (given: Given): MethodTraits => ({ ...REQUEST, revisions: SUPPORTED_LEGACY, ...given })
const modernOf = (given: Given): MethodTraits => ({ ...REQUEST, revisions: SUPPORTED_MODERN, ...given })
const inBoth = (given: Given, inModern: Given = {}): MethodRow => ({
  legacy: legacyOf(given),
  modern: modernOf({ ...given, ...inModern }),
})
const notice = (given: Given): Given => ({ kind: 'notification', from: SERVER, ...given })

const SINCE_ELICITATION = SUPPORTED_LEGACY.filter((revision) => traitsOf(revision).elicitation !== 'none')
const URL_MODE = SUPPORTED_LEGACY.filter((revision) => traitsOf(revision).elicitation === 'form+url')
const CORE_TASKS = SUPPORTED_LEGACY.filter((revision) => traitsOf(revision).tasks === 'core')

const CORE_TASK: Given = { from: BOTH_SIDES, revisions: CORE_TASKS, routedBy: 'taskId', serverCapability: 'tasks' }
const coreTask = (given: Given): MethodTraits => legacyOf({ ...CORE_TASK, ...given })
const extensionTask: MethodTraits = modernOf({ routedBy: 'taskId', mcpName: 'taskId', extension: TASKS_EXTENSION })

/** Skills are of 2026-07-28 or later, but servers and clients of sessions speak them too. */
const skill = (given: Given = {}, inModern: Given = {}): MethodRow => inBoth({ serverCapability: 'resources', extension: SKILLS_EXTENSION, ...given }, inModern)

/** The table. Ask `methodIn` for what a revision has. */
export const METHODS = {
  initialize: { legacy: legacyOf({}) },
  'notifications/initialized': { legacy: legacyOf({ kind: 'notification' }) },
  'server/discover': { modern: modernOf({ cacheable: true }) },
  ping: { legacy: legacyOf({ from: BOTH_SIDES }) },
  'tools/list': inBoth({ serverCapability: 'tools' }, { cacheable: true }),
  'tools/call': inBoth({ serverCapability: 'tools', routedBy: 'name' }, { mcpName: 'name', mayNeedInput: true }),
  'prompts/list': inBoth({ serverCapability: 'prompts' }, { cacheable: true }),
  'prompts/get': inBoth({ serverCapability: 'prompts', routedBy: 'name' }, { mcpName: 'name', mayNeedInput: true }),
  'resources/list': inBoth({ serverCapability: 'resources' }, { cacheable: true }),
  'resources/templates/list': inBoth({ serverCapability: 'resources' }, { cacheable: true }),
  'resources/read': inBoth(
    { serverCapability: 'resources', routedBy: 'uri' },
    { mcpName: 'uri', cacheable: true, mayNeedInput: true },
  ),
  'skills/list': skill({}, { cacheable: true }),
  'skills/get': skill({ routedBy: 'uri' }, { cacheable: true }),
  // SEP-2640 says nothing of its freshness, but official clients of 2026-07-28 refuse a result without.
  'resources/directory/read': skill({ routedBy: 'uri' }, { cacheable: true }),
  'resources/subscribe': { legacy: legacyOf({ serverCapability: 'resources.subscribe', routedBy: 'uri' }) },
  'resources/unsubscribe': { legacy: legacyOf({ serverCapability: 'resources.subscribe', routedBy: 'uri' }) },
  'completion/complete': inBoth({ serverCapability: 'completions', routedBy: 'ref' }),
  'logging/setLevel': { legacy: legacyOf({ serverCapability: 'logging' }) },
  'subscriptions/listen': { modern: modernOf({}) },
  'tasks/get': { legacy: coreTask({}), modern: extensionTask },
  'tasks/result': { legacy: coreTask({}) },
  'tasks/cancel': { legacy: coreTask({ serverCapability: 'tasks.cancel' }), modern: extensionTask },
  'tasks/list': { legacy: coreTask({ serverCapability: 'tasks.list', routedBy: 'none' }) },
  'tasks/update': { modern: extensionTask },
  'roots/list': inBoth({ from: SERVER, clientCapability: 'roots' }, { kind: 'input' }),
  'sampling/createMessage': inBoth({ from: SERVER, clientCapability: 'sampling' }, { kind: 'input' }),
  'elicitation/create': {
    legacy: legacyOf({ from: SERVER, revisions: SINCE_ELICITATION, clientCapability: 'elicitation' }),
    modern: modernOf({ kind: 'input', from: SERVER, clientCapability: 'elicitation' }),
  },
  'notifications/cancelled': inBoth({ kind: 'notification', from: BOTH_SIDES }),
  'notifications/progress': {
    legacy: legacyOf({ kind: 'notification', from: BOTH_SIDES }),
    modern: modernOf(notice({})),
  },
  'notifications/message': inBoth(notice({ serverCapability: 'logging' })),
  'notifications/tools/list_changed': inBoth(notice({ serverCapability: 'tools.listChanged' })),
  'notifications/prompts/list_changed': inBoth(notice({ serverCapability: 'prompts.listChanged' })),
  'notifications/resources/list_changed': inBoth(notice({ serverCapability: 'resources.listChanged' })),
  'notifications/resources/updated': inBoth(notice({ serverCapability: 'resources.subscribe', routedBy: 'uri' })),
  'notifications/roots/list_changed': { legacy: legacyOf({ kind: 'notification', clientCapability: 'roots.listChanged' }) },
  'notifications/elicitation/complete': {
    legacy: legacyOf(notice({ revisions: URL_MODE, clientCapability: 'elicitation.url' })),
  },
  'notifications/subscriptions/acknowledged': { modern: modernOf(notice({})) },
  'notifications/tasks/status': { legacy: coreTask({ kind: 'notification' }) },
  'notifications/tasks': { modern: modernOf(notice({ routedBy: 'taskId', extension: TASKS_EXTENSION })) },
} as const satisfies Record<string, MethodRow>

/** A method that some revision has. */
export type Method = keyof typeof METHODS

/** Whether any revision has the method. */
export function isMethod(text: string): text is Method {
  return Object.hasOwn(METHODS, text)
}

/** What the method is in the revision; undefined where the revision does not have it. */
export function methodIn(method: string, revision: Revision): MethodTraits | undefined {
  if (!isMethod(method)) return undefined
  const row: MethodRow = METHODS[method]
  const traits = row[traitsOf(revision).era]
  return traits?.revisions.includes(revision) === true ? traits : undefined
}

const MCP_NAMES: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map(
  Object.entries<MethodRow>(METHODS).flatMap(([method, { modern }]) =>
    modern === undefined || modern.mcpName === 'none' ? [] : [[method, modern.mcpName] as const],
  ),
)

const ROUTED_BY: ReadonlyMap<string, RoutedBy> = new Map(
  Object.entries<MethodRow>(METHODS).map(([method, { modern, legacy }]) => [method, (modern ?? legacy)?.routedBy ?? 'none']),
)

const EXTENSION_OF: ReadonlyMap<string, string> = new Map(
  Object.entries<MethodRow>(METHODS).flatMap(([method, { modern }]) => (modern?.extension === undefined ? [] : [[method, modern.extension] as const])),
)

/** The extension that defines the method from 2026-07-28 on; undefined for a method of the core, and for one that nobody knows. */
export function extensionOf(method: string): string | undefined {
  return EXTENSION_OF.get(method)
}

/** The member of `params` that names what the request is about: the same in both eras. */
export function routedBy(method: string): RoutedBy {
  return ROUTED_BY.get(method) ?? 'none'
}

/** The member of `params` that `Mcp-Name` mirrors in the modern era; undefined: the method has no such header. */
export function mcpNameMember(method: string): 'name' | 'uri' | 'taskId' | undefined {
  return MCP_NAMES.get(method)
}

/** Whether `capabilities` has `path` (`tools`, `resources.subscribe`): present, and not `false`. */
export function hasCapability(capabilities: JsonObject, path: string): boolean {
  let value: unknown = capabilities
  for (const key of path.split('.')) {
    if (!isJsonObject(value)) return false
    value = ownMember(value, key)
  }
  return value !== undefined && value !== false && value !== null
}
