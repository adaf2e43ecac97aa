/**
 * The life of an exchange as an ordered table of stages (design §3). Each returns an outcome to end it, or nothing to go
 * on; only a stage that has to wait returns a promise, so that a call whose catalog is known never leaves the stack.
 */

import { guardKept } from '../bridge/adopted-guard.ts'
import { orKept } from '../bridge/adopted-answer.ts'
import { PortolanError } from '../../protocol/error.ts'
import { encodeHeaderValue } from '../../protocol/header.ts'
import { answerDiscover, answerInitialize, answerSetLevel, answerSubscribe, answerTaskList, answerWith } from '../bridge/answers.ts'
import { carryCall } from '../bridge/call.ts'
import { carrierRow, localAnswer } from '../bridge/carrier-table.ts'
import type { Answer } from '../bridge/carrier-table.ts'
import { openListen } from '../bridge/listen.ts'
import { readParkedState } from '../bridge/own-state.ts'
import { answerOwnedTask } from '../bridge/owned-answer.ts'
import { ownCall } from '../bridge/owned-call.ts'
import { partyOf, sourceOf } from '../bridge/party.ts'
import { carryToOwner, ownerOf } from '../replica/owned-id.ts'
import { TASK_KEY } from '../bridge/legacy-task.ts'
import { answerLegacyTask } from '../bridge/task-for-legacy.ts'
import { answerModernTask } from '../bridge/task-for-modern.ts'
import type { Source } from '../bridge/party.ts'
import { mayBeAsked } from '../bridge/server-extension.ts'
import { holdTask } from '../bridge/task-hold.ts'
import { wantsTask } from '../bridge/task-support.ts'
import { answerList } from '../catalog/list-answer.ts'
import { LIST_OF_METHOD } from '../catalog/list-kind.ts'
import type { Views } from '../catalog/view.ts'
import type { PolicyAction, PolicyDecision } from '../policy/policy.ts'
import type { GatewayContext } from './context.ts'
import { runCustomStage } from './custom-stage.ts'
import type { CustomStage } from './custom-stage.ts'
import type { Exchange } from './exchange.ts'
import { findSession } from './find-session.ts'
import { finish, refusalOf } from './finish.ts'
import { admit, limit } from './limit.ts'
import type { Outcome } from './outcome.ts'
import { route } from './route.ts'
import { takeNotification, takeResponse } from './client-message.ts'
import { uriNotFound } from './uri-not-found.ts'

type Verdict = Outcome | void | undefined
export type Stage = (context: GatewayContext, exchange: Exchange, views: Views) => Verdict | Promise<Verdict>

export type StageTable = readonly (readonly [name: string, stage: Stage])[]

/** Receive and decode come before (they make the exchange), record after (`finish`). */
const STAGES: StageTable = [
  ['authenticate', authenticate],
  ['admit', admit],
  ['session', findSession],
  ['route', (context, exchange, views) => route(context, views, exchange)],
  ['decide', decide],
  ['limit', limit],
  ['credential', credential],
  ['carry', carry],
]

/** The table with stages of others in their places. Throws TypeError for a place that there is not. */
export function stagesWith(custom: readonly CustomStage[]): StageTable {
  // `admit` is half of `limit`, and no place of its own.
  const places = STAGES.slice(0, -1).flatMap(([name]) => (name === 'admit' ? [] : [name]))
  for (const { name, after = DEFAULT_PLACE } of custom) {
    if (!places.includes(after)) throw new TypeError(`stage ${name}: after "${after}" is none of ${places.join(', ')}`)
  }
  return STAGES.flatMap((own) => [own, ...custom.filter(({ after = DEFAULT_PLACE }) => after === own[0]).map(customRow)])
}

const DEFAULT_PLACE = 'decide'

function customRow(stage: CustomStage): StageTable[number] {
  return [stage.name, (context, exchange) => (exchange.message === undefined || hasRun(stage, exchange) ? undefined : runCustomStage(stage, context, exchange))]
}

/** At the replica that brought the exchange: a legacy one was brought when its session was looked for, a modern one when its call was. */
function hasRun({ after = DEFAULT_PLACE }: CustomStage, { carried, era }: Exchange): boolean {
  return carried !== undefined && (era === 'modern' || after === 'authenticate')
}

/** Runs the stages; the exchange finishes here or, once carried, when its upstream answers. Never throws. */
export function runStages(context: GatewayContext, exchange: Exchange, views: Views, from = 0): void {
  for (let index = from; index < context.stages.length; index += 1) {
    const verdict = runStage(context, exchange, views, index)
    if (verdict instanceof Promise) {
      verdict.then(
        (outcome) => {
          if (outcome !== undefined) finish(context, exchange, outcome)
          else if (exchange.outcome === undefined) runStages(context, exchange, views, index + 1)
        },
        (error: unknown) => finish(context, exchange, refusalOf(context, error)),
      )
      return
    }
    if (verdict !== undefined) {
      finish(context, exchange, verdict)
      return
    }
    if (exchange.outcome !== undefined) return
  }
}

/** Everything between authentication and the call itself, for an attempt that nobody waits for. An outcome has finished it. */
export async function prepare(context: GatewayContext, exchange: Exchange, views: Views): Promise<void> {
  const from = context.stages.findIndex(([name]) => name === 'route')
  for (let index = from; index < context.stages.length - 1 && exchange.outcome === undefined; index += 1) {
    const verdict = await Promise.resolve(runStage(context, exchange, views, index)).catch((error: unknown) => refusalOf(context, error))
    if (verdict !== undefined) finish(context, exchange, verdict)
  }
}

/** Authenticates and finds the session, for requests that carry no message (GET, DELETE, a batch). */
export async function identify(context: GatewayContext, exchange: Exchange): Promise<Outcome | undefined> {
  try {
    return (await authenticate(context, exchange)) ?? (await findSession(context, exchange)) ?? undefined
  } catch (error) {
    return refusalOf(context, error)
  }
}

/** Authenticates, for what is neither a message nor of a session. */
export async function authenticateOnly(context: GatewayContext, exchange: Exchange): Promise<Outcome | undefined> {
  try {
    return (await authenticate(context, exchange)) ?? undefined
  } catch (error) {
    return refusalOf(context, error)
  }
}

function runStage(context: GatewayContext, exchange: Exchange, views: Views, index: number): Verdict | Promise<Verdict> {
  try {
    return context.stages[index]?.[1](context, exchange, views)
  } catch (error) {
    return refusalOf(context, error)
  }
}

function authenticate(context: GatewayContext, exchange: Exchange): Verdict | Promise<Verdict> {
  if (exchange.principal !== undefined) return undefined
  const trusted = exchange.transport === 'stdio'
  const authorization = exchange.http?.header('authorization')
  const result = context.deps.authenticator.authenticate({ authorization, trusted })
  const take = (ready: Awaited<typeof result>): Verdict => {
    if (!ready.ok) {
      const message = authorization === undefined ? 'Unauthorized: no token was sent' : 'Unauthorized: the token is not valid'
      return { kind: 'challenge', error: new PortolanError('unauthorized', { message }), challenge: ready.fault.challenge }
    }
    exchange.principal = ready.principal
    return undefined
  }
  return result instanceof Promise ? result.then(take) : take(result)
}

const ACTIONS: ReadonlyMap<string, PolicyAction> = new Map([
  ['tools/call', 'tools/call'],
  ['prompts/get', 'prompts/get'],
  ['resources/read', 'resources/read'],
  ['skills/get', 'resources/read'],
  ['resources/directory/read', 'resources/read'],
])

function decide(context: GatewayContext, exchange: Exchange): Verdict | Promise<Verdict> {
  const { route: found, principal, message } = exchange
  if (found === undefined || principal === undefined) return undefined
  const decision = context.deps.policy.decide({
    principal,
    upstreamId: found.upstream.id,
    action: ACTIONS.get(message?.method ?? '') ?? 'other',
    subject: found.subject,
  })
  return decision instanceof Promise ? decision.then(decisionOutcome) : decisionOutcome(decision)
}

function decisionOutcome(decision: PolicyDecision): Verdict {
  switch (decision.kind) {
    case 'allow':
      return undefined
    case 'deny':
      return { kind: 'refused', error: new PortolanError('forbidden', { message: decision.reason }) }
    case 'stepUp':
      return {
        kind: 'stepUp',
        scopes: decision.scopes,
        challenge: `Bearer error="insufficient_scope", scope="${decision.scopes.join(' ')}"`,
      }
    case 'approval':
      return { kind: 'approval', url: decision.url }
  }
}

function credential(context: GatewayContext, exchange: Exchange): Verdict | Promise<Verdict> {
  const { principal, route: found } = exchange
  if (found === undefined || principal === undefined) return undefined
  const headers = context.deps.credentials.headersFor({ upstreamId: found.upstream.id, ownerKey: principal.ownerKey })
  if (!(headers instanceof Promise)) {
    exchange.credential = headers
    return undefined
  }
  return headers.then((ready) => {
    exchange.credential = ready
  })
}

function carry(context: GatewayContext, exchange: Exchange, views: Views): Verdict | Promise<Verdict> {
  const { message, era, route: found, session } = exchange
  if (message === undefined) throw new PortolanError('internal')
  if (message.kind === 'notification') return takeNotification(context, exchange, message)
  if (message.kind !== 'request') return takeResponse(context, exchange, message)
  const answer = localAnswer(era, message.method)
  if (answer !== undefined) return ANSWERS[answer](context, exchange, views)
  if (found === undefined) throw new PortolanError('method_not_found')
  if (found.isOwned === true) return answerOwnedTask(context, exchange)
  const made = found.upstream.config.tasks === undefined || isElsewhere(context, exchange) ? undefined : ownCall(context, exchange)
  if (made !== undefined) return made
  if (session?.lost.delete(found.upstream.id) === true) {
    throw new PortolanError('upstream_unavailable', { message: 'The server restarted and lost what it knew of this session. Call again to start afresh.' })
  }
  const party = partyOf(exchange)
  const source = sourceOf(context, party, found.upstream)
  return source instanceof Promise ? source.then((ready) => carryVia(context, exchange, ready)) : carryVia(context, exchange, source)
}

function carryVia(context: GatewayContext, exchange: Exchange, source: Source): Verdict | Promise<Verdict> {
  const method = exchange.message?.method ?? ''
  const row = carrierRow(exchange.era, source.era, method)
  if (row?.kind === 'unsupported') throw new PortolanError('method_not_found', { message: `Method not found: ${row.reason}` })
  if (exchange.message !== undefined && exchange.route?.marked === true && !mayBeAsked(source.upstream.knownProfile(), source.era, method)) throw uriNotFound(exchange.message)
  const owned = exchange.era === 'modern' ? ownedBy(exchange, row?.kind === 'task') : undefined
  const carried = owned === undefined ? undefined : carryToOwner(context, exchange, owned)
  // An owner that is gone: what that means is said here, or where its task is followed now.
  if (carried !== undefined) return carried.then((how) => (how === 'done' ? undefined : carryToFollower(context, exchange, source)))
  return carryHere(context, exchange, source)
}

function carryToFollower(context: GatewayContext, exchange: Exchange, source: Source): Verdict | Promise<Verdict> {
  const kept = exchange.route?.kept
  const follower = kept?.kind === 'found' ? kept.task.holder : ''
  const carried = follower === '' ? undefined : carryToOwner(context, exchange, follower)
  return carried === undefined ? carryHere(context, exchange, source) : carried.then((how) => (how === 'done' ? undefined : carryHere(context, exchange, source)))
}

/** What the call goes on with is another replica's: it goes there before it may become a task. */
function isElsewhere({ deps }: GatewayContext, exchange: Exchange): boolean {
  const owner = exchange.era === 'modern' ? ownedBy(exchange, false) : undefined
  return owner !== undefined && owner !== deps.peers.replicaId
}

/** The replica that alone has what this request needs: a call that waits for it, a task, the child that made one. */
function ownedBy({ route }: Exchange, isTask: boolean): string | undefined {
  if (route?.heldBy !== undefined && route.heldBy !== '') return route.heldBy
  if (isTask) return route?.subject.startsWith(`${TASK_KEY}:`) === true ? ownerOf(route.subject.slice(TASK_KEY.length + 1)) : undefined
  return ownerOf(readParkedState(route?.requestState)?.id ?? '')
}

function carryHere(context: GatewayContext, exchange: Exchange, source: Source): Verdict | Promise<Verdict> {
  const guarding = exchange.route?.kept === undefined ? undefined : guardKept(context, exchange, source)
  return guarding === undefined ? carryOn(context, exchange, source) : guarding.then((outcome) => outcome ?? carryOn(context, exchange, source))
}

function carryOn(context: GatewayContext, exchange: Exchange, source: Source): Verdict | Promise<Verdict> {
  const method = exchange.message?.method ?? ''
  const row = carrierRow(exchange.era, source.era, method)
  if (row?.kind === 'task') return orKept(context, exchange, exchange.era === 'legacy' ? answerLegacyTask(context, exchange, source) : answerModernTask(context, exchange, source))
  const held = wantsTask(exchange, source)
  if (held !== undefined) return holdTask(context, exchange, source, held.ttlMs)
  // A modern server over HTTP gets the method as a header, too: what cannot stand in one is no method of its.
  const mirrored = row === undefined && source.era === 'modern' && source.upstream.config.target.transport === 'http'
  if (mirrored && encodeHeaderValue(method) !== method) throw new PortolanError('method_not_found')
  return carryCall(context, exchange, source)
}

const ANSWERS: Readonly<Record<Answer, Stage>> = {
  initialize: answerInitialize,
  discover: answerDiscover,
  ping: (_context, exchange) => answerWith(exchange, {}),
  list: (context, exchange, views) => {
    const kind = LIST_OF_METHOD.get(exchange.message?.method ?? '')
    if (kind === undefined) throw new PortolanError('method_not_found')
    return answerList(context, views, exchange, kind)
  },
  setLevel: answerSetLevel,
  subscribe: (context, exchange) => answerSubscribe(context, exchange, true),
  unsubscribe: (context, exchange) => answerSubscribe(context, exchange, false),
  listen: openListen,
  taskList: answerTaskList,
}
