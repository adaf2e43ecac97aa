/** Who may have a task of whom: what a server's era offers, what a client declared, what a tool says of itself. */

import { TASKS_EXTENSION, declaresExtension } from '../../protocol/capability.ts'
import type { ClientCapabilities } from '../../protocol/capability.ts'
import { hasCapability } from '../../protocol/method.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { asciiJson, member, readJson, utf8Of } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { PortolanError } from '../../protocol/error.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { TaskSupport } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { EraProfile } from '../upstream/upstream.ts'
import type { Source } from './party.ts'

/** Whether tools of this server can become tasks, in the form that its revision has. */
export function hasTasks(profile: EraProfile | undefined): boolean {
  if (profile === undefined) return false
  const known = offering.get(profile)
  if (known !== undefined) return known
  const capabilities = objectOf(profile.capabilities)
  const form = traitsOf(profile.revision).tasks
  const offers = form === 'core' ? hasCapability(capabilities, 'tasks.requests.tools.call') : form === 'extension' && declaresExtension(capabilities, TASKS_EXTENSION)
  offering.set(profile, offers)
  return offers
}

/** A profile is replaced as a whole. */
const offering = new WeakMap<EraProfile, boolean>()

function objectOf(text: WireText): JsonObject {
  const value: unknown = JSON.parse(utf8Of(text))
  return isJsonObject(value) ? value : {}
}

/** What a modern request declares. */
export function declaredBy(message: Message | undefined): ClientCapabilities {
  const node = member(member(message?.body, '_meta'), META.clientCapabilities)
  const value = message === undefined || node === undefined ? {} : readJson(message.text, node)
  return isJsonObject(value) ? value : {}
}

/** A modern client takes a task only where it says so on this very request (ext-tasks, Capability Negotiation). */
export function takesTasks(message: Message | undefined): boolean {
  return declaresExtension(declaredBy(message), TASKS_EXTENSION)
}

/** The capabilities of a client, and that it takes tasks. Wire text both. */
export function withTasksDeclared(capabilities: WireText): WireText {
  const { extensions = {}, ...others } = objectOf(capabilities)
  return asciiJson({ ...others, extensions: { ...(isJsonObject(extensions) ? extensions : {}), [TASKS_EXTENSION]: {} } })
}

/** Throws `missing_capability` for a modern request about tasks by who did not declare them (bridge-rulings §4, Tasks). */
export function demandTasks(message: Message | undefined): void {
  if (takesTasks(message)) return
  throw new PortolanError('missing_capability', { data: { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } } })
}

/**
 * What a modern client's call of a legacy server's tool is sent as. `none`: a plain call. `handle`: a task, whose id the
 * client gets. `await`: a task, because the tool is none without, whose result the client gets.
 */
export type TaskPlan = 'none' | 'handle' | 'await'

export function planTask(context: GatewayContext, { era, message, principal }: Exchange, { upstream, subject }: Route, source: Source): TaskPlan {
  if (era !== 'modern' || source.era !== 'legacy' || message?.method !== 'tools/call' || !hasTasks(upstream.knownProfile()?.legacy)) return 'none'
  const support: TaskSupport = context.catalog.known(source, 'tools')?.byKey.get(subject)?.taskSupport ?? 'forbidden'
  if (support === 'forbidden') return 'none'
  if (takesTasks(message) && context.tasksAtLegacy.hasRoom(principal?.ownerKey ?? '')) return 'handle'
  return support === 'required' ? 'await' : 'none'
}

/** A legacy client that wants a task, where its revision and its server have them; `ttlMs` as it asked for it. */
export function wantsTask({ era, message, revision }: Exchange, source: Source): { readonly ttlMs: number | undefined } | undefined {
  if (era !== 'legacy' || source.era !== 'modern' || message?.method !== 'tools/call' || revision === undefined) return undefined
  const task = member(message.body, 'task')
  if (task?.kind !== 'object' || traitsOf(revision).tasks !== 'core' || !hasTasks(source.upstream.knownProfile()?.modern)) return undefined
  const ttl = readJson(message.text, task)
  const ttlMs = isJsonObject(ttl) ? ttl['ttl'] : undefined
  return { ttlMs: typeof ttlMs === 'number' && ttlMs > 0 ? ttlMs : undefined }
}
