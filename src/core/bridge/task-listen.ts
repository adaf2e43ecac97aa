/** `taskIds` of a `subscriptions/listen`: `notifications/tasks`, whatever era the task's server speaks (ext-tasks, Task Status Notifications). */

import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { objectText } from '../../protocol/input-required.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isOver, readDetailedTask } from '../../protocol/task.ts'
import { handleScope, isMerged, upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import { resultText } from '../gateway/render.ts'
import { isOverPhase } from '../task/stored-task.ts'
import type { AdoptedFrom } from '../task/stored-task.ts'
import { isSameTask, mayBeKnown } from './adopted-sight.ts'
import { findKept } from './adopted-task.ts'
import { responseLook } from './call-look.ts'
import { clientResponse } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'
import { openTask } from './handles.ts'
import { detailedTexts } from './owned-view.ts'
import { partyOf, sourceOf } from './party.ts'
import { TASK_KEY } from './legacy-task.ts'
import { detailedTexts as followedTexts } from './task-for-modern.ts'
import { ownedId } from './task-owner.ts'
import { declaredBy } from './task-support.ts'
import { watchTask } from './task-watch.ts'

/** Members of `params` besides `_meta`, each after a comma. */
export type TellTask = (members: WireText) => void

/** Of one listen; more cost a listen each at modern servers. */
const MAX_TASKS = 64

/** Watches them until the exchange ends; resolves with those that will be told of. Foreign and unknown ones are left out. */
export async function watchTasks(context: GatewayContext, exchange: Exchange, handles: readonly string[], tell: TellTask): Promise<readonly string[]> {
  if (handles.length > MAX_TASKS) throw new PortolanError('invalid_params', { message: `Invalid params: more than ${MAX_TASKS} taskIds` })
  const watched = await Promise.all(handles.map((handle) => watchOne(context, exchange, handle, tell).catch(() => false)))
  return handles.filter((_handle, index) => watched[index])
}

async function watchOne(context: GatewayContext, exchange: Exchange, handle: string, tell: TellTask): Promise<boolean> {
  const { message, principal } = exchange
  const scope = handleScope(context, exchange.endpoint)
  const found = principal === undefined ? undefined : openTask(context.deps.keyring, principal, handle, scope)
  const upstream = found === undefined ? undefined : context.upstreams.byId(found.upstreamId)
  if (message === undefined || principal === undefined || found === undefined || upstream === undefined) return false
  if (!upstreamsAt(context, exchange.endpoint).includes(upstream)) return false
  const route: Route = { upstream, subject: found.taskId, heldBy: found.heldBy, marked: isMerged(context, exchange.endpoint), scope, paramHeaders: [], requestState: undefined }
  const own = ownedId(found.taskId)
  if (own !== undefined) return watchOwned(context, exchange, own, tell, route)
  const kept = await findKept(context, principal.ownerKey, upstream.id, found.taskId, found.heldBy)
  const end = { isTold: false }
  if (kept?.kind !== 'found') return watchServer(context, exchange, message, route, tell, end, undefined)
  // Its server tells more, and sooner; the row, at whichever replica, tells the end whatever becomes of the server.
  const isHeard = !isOverPhase(kept.task.phase) && (await watchServer(context, exchange, message, route, tell, end, kept.task.origin.adopted).catch(() => false))
  return watchOwned(context, exchange, kept.task.id, tell, route, isHeard ? end : undefined)
}

/** That it has ended is told once, by whoever hears of it first. */
interface End {
  isTold: boolean
}

async function watchServer(context: GatewayContext, exchange: Exchange, message: Message, route: Route, tell: TellTask, end: End, adopted: AdoptedFrom | undefined): Promise<boolean> {
  const { upstream, subject: taskId } = route
  const ownerKey = exchange.principal?.ownerKey ?? ''
  const source = await sourceOf(context, partyOf(exchange), upstream)
  if (exchange.outcome !== undefined) return false
  const look = responseLook(context, exchange, message, route, source)
  if (taskId.startsWith(`${TASK_KEY}:`)) return watchLegacy(context, exchange, route, look, tell, end)
  if (source.era !== 'modern' || (adopted !== undefined && !mayBeKnown(context, adopted))) return false
  const capabilities = asciiJson(declaredBy(message))
  const watch = watchTask(context, {
    upstream, capabilities, ownerKey, taskId,
    run(news) {
      if (readString(news.text, member(news.body, 'taskId')) !== taskId || end.isTold) return
      const said = readDetailedTask(news)?.state
      if (said !== undefined && adopted !== undefined && !isSameTask(adopted, said)) return
      end.isTold = isOver(said?.status ?? 'working')
      tell(relayedMembers(news, look))
    },
  })
  exchange.onFinished.push(() => watch.stop())
  return watch.ready
}

function watchLegacy({ tasksAtLegacy }: GatewayContext, exchange: Exchange, { upstream, subject }: Route, look: ResponseLook, tell: TellTask, end: End): boolean {
  const task = tasksAtLegacy.find(exchange.principal?.ownerKey ?? '', subject)
  if (task === undefined || task.upstream.id !== upstream.id) return false
  const news = (): void => {
    if (end.isTold) return
    end.isTold = task.isOver
    tell(membersOf(followedTexts(task, { ...look, method: 'tools/call' })))
  }
  exchange.onFinished.push(tasksAtLegacy.watch(task, news))
  // Nothing will be told any more of what has ended: a client that comes late hears of it now.
  if (task.isOver) news()
  return true
}

/** Each state once, whoever changed it; what has ended is told to who comes late. `end`: nothing but that, unless it was told. */
async function watchOwned(context: GatewayContext, exchange: Exchange, id: string, tell: TellTask, route: Route, end?: End): Promise<boolean> {
  const { owned } = context
  const ownerKey = exchange.principal?.ownerKey ?? ''
  const first = await owned?.tasks.find(ownerKey, id)
  if (owned === undefined || first?.kind !== 'found' || exchange.outcome !== undefined) return false
  let told = isOverPhase(first.task.phase) ? 0 : first.task.version
  const look = async (): Promise<void> => {
    const found = await owned.tasks.find(ownerKey, id)
    if (found?.kind !== 'found' || found.task.version <= told || (end !== undefined && (end.isTold || !isOverPhase(found.task.phase))) || exchange.outcome !== undefined) return
    told = found.task.version
    tell(membersOf(detailedTexts(context, { ...exchange, route }, found.task)))
  }
  const again = (): void => void look().catch(() => undefined)
  exchange.onFinished.push(owned.tasks.watch(id, again))
  again()
  return true
}

function membersOf(texts: Readonly<Record<string, WireText>>): WireText {
  return Object.entries(texts).map(([key, text]) => `,${asciiJson(key)}:${text}`).join('')
}

/** As `tasks/get` would have answered it to this client. */
function relayedMembers({ text, body }: Message, look: ResponseLook): WireText {
  const kept = Array.from(body?.members ?? [], ([key, { value }]) => [key, text.slice(value.start, value.end)] as const).filter(([key]) => key !== '_meta')
  const scan = parseMessage(resultText('0', objectText(kept)))
  if (!scan.ok) throw new PortolanError('upstream_malformed')
  const outcome = clientResponse(scan.value, { ...look, method: 'tasks/get' })
  const said = parseMessage('text' in outcome ? outcome.text : '')
  if (!said.ok) throw new PortolanError('upstream_malformed')
  return Array.from(said.value.body?.members ?? [], ([key, { value }]) => `,${asciiJson(key)}:${said.value.text.slice(value.start, value.end)}`).join('')
}
