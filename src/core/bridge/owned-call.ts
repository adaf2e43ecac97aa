/**
 * A call that becomes a task of Portolan's, by its tool's configuration. `always`, a legacy client's `task`, and an idempotency key
 * make the task first; with `auto` the call runs, and becomes a task where it takes longer than it may.
 *
 *   auto:    call in flight ──answer──▶ the client's
 *                └──afterMs──▶ task made, durably ──▶ its handle is the answer; the call goes on
 *   always:  task made, durably ──▶ its handle is the answer ──▶ first attempt, here where there is room
 */

import { member, readJson } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { parseMessage } from '../../protocol/message.ts'
import { PortolanError } from '../../protocol/error.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { ToolTasks } from '../gateway/snapshot.ts'
import { waitForStore } from '../gateway/store-wait.ts'
import type { NewTask } from '../task/task-store.ts'
import type { StoredTask, TaskIdempotency, TaskOrigin } from '../task/stored-task.ts'
import { canonicalJson } from './canonical-json.ts'
import { createdOutcome, responseFor } from './owned-view.ts'
import { attemptExchange, launch } from './owned-flight.ts'
import type { Flight } from './owned-flight.ts'
import { idempotencyKey, legacyAttempt, modernAttempt } from './owned-request.ts'
import { LEASE_MS } from '../task/task-runner.ts'
import type { Made, Making } from '../task/tasks.ts'
import type { OwnedTasks } from './owned-tasks.ts'
import { partyOf, sourceOf } from './party.ts'
import { isSafe } from './repetition.ts'
import { ownTerms } from './task-owner.ts'
import { takesTasks } from './task-support.ts'

interface OwnCall {
  readonly context: GatewayContext
  readonly owned: OwnedTasks
  readonly exchange: Exchange
  readonly message: Message
  readonly route: Route
  readonly terms: ToolTasks
  readonly key: string | undefined
}

/** Undefined: a call like any other. Rejects with PortolanError. */
export function ownCall(context: GatewayContext, exchange: Exchange): Promise<Outcome> | undefined {
  const { message, route } = exchange
  const { owned } = context
  if (owned === undefined || message?.method !== 'tools/call' || route === undefined) return undefined
  const terms = ownTerms(route.upstream.config, route.subject)
  if (terms === undefined || !mayHaveTask(exchange, message)) return undefined
  const key = exchange.era === 'modern' ? idempotencyKey(message) : undefined
  const call: OwnCall = { context, owned, exchange, message, route, terms, key }
  const isFirst = terms.mode === 'always' || exchange.era === 'legacy' || key !== undefined
  return isFirst ? taskFirst(call) : callFirst(call)
}

/** Never a task for who did not ask for one, or did not say that he takes them, on this very request. */
function mayHaveTask({ era, revision }: Exchange, message: Message): boolean {
  if (era === 'modern') return takesTasks(message)
  return revision !== undefined && traitsOf(revision).tasks === 'core' && member(message.body, 'task')?.kind === 'object'
}

async function taskFirst(call: OwnCall): Promise<Outcome> {
  const { context, owned, exchange } = call
  // Of whoever has enough under way here already it waits its turn, at any replica.
  const hasRoom = owned.runner.hasRoom(partyOf(exchange).principal.ownerKey)
  // With a key whoever asks again gets the same task.
  exchange.becomesTask = call.key === undefined
  const making = await make(call, hasRoom ? 'begun' : 'waiting')
  switch (making.kind) {
    case 'full':
      throw new PortolanError('overloaded', { retryAfterSec: 1, message: `Too many tasks: ${FULL[making.what]}` })
    case 'differs':
      throw new PortolanError('invalid_params', { message: 'Invalid params: the idempotency key was used with other arguments' })
    case 'same':
      return createdOutcome(context, exchange, making.task)
    case 'made':
      return exchange.outcome !== undefined && exchange.becomesTask ? unwanted(call, making.task, exchange.outcome) : goOn(call, making, hasRoom)
  }
}

async function goOn(call: OwnCall, making: Made, hasRoom: boolean): Promise<Outcome> {
  const { context, owned, exchange } = call
  const { task } = making
  // An exchange that has ended has no route any more: the task is tried like any that waits.
  if (hasRoom && exchange.outcome === undefined) owned.runner.take(making, (taken, sink) => owned.begin(taken, sink, exchange))
  // Where that cannot be written now, its lease ends by itself.
  else await owned.tasks.move(task, { kind: 'release', epoch: task.epoch }).catch(() => undefined)
  if (exchange.outcome === undefined) return createdOutcome(context, exchange, task)
  // Too late to withdraw it: another replica may try it by now.
  if (exchange.becomesTask) void owned.tasks.cancel(task.origin.ownerKey, task.id).catch(() => undefined)
  return exchange.outcome
}

/** Its client went away while it was made, or was told something else: nobody has its handle. */
function unwanted(call: OwnCall, { id }: StoredTask, outcome: Outcome): Outcome {
  withdraw(call, { id, idempotency: undefined })
  return outcome
}

const FULL = { live: 'wait until some of yours have ended', total: 'the results of yours take all the room that there is', bytes: 'the results of yours take all the room that there is' } as const

/** The client waits, and may become who holds a task. Where none can be made it goes on waiting. */
function callFirst(call: OwnCall): Promise<Outcome> {
  const { context, exchange, terms } = call
  return new Promise((resolve) => {
    const own = attemptExchange(context, `${exchange.id}.1`, modernAttempt(call.message), exchange.snapshot.limits.requestStateMs, exchange)
    const flight = launch(context, own, {
      dispatch: async () => true,
      ears: {
        hear(text) {
          exchange.lastActivityTicks = context.deps.clock.ticksMs()
          return exchange.outcome !== undefined || exchange.reply.send(text)
        },
        onDrain: (run) => exchange.reply.onDrain(run),
        ended: (outcome) => settle(answerOf(context, exchange, outcome)),
      },
    })
    exchange.carriage = { abort: (reason) => flight.abort(reason), resume: () => flight.resume() }
    const stopTimer = context.deps.clock.after(terms.afterMs, () => void detach(call, flight).then((created) => created !== undefined && settle(created)))
    const settle = (outcome: Outcome): void => {
      stopTimer()
      // The call's own exchange has told its server's breaker.
      exchange.carriage = undefined
      resolve(outcome)
    }
  })
}

/** Durable before its handle is answered. Undefined: the call goes on as it was. */
async function detach(call: OwnCall, flight: Flight): Promise<Outcome | undefined> {
  const { context, owned, exchange } = call
  if (exchange.outcome !== undefined || flight.exchange.outcome !== undefined) return undefined
  try {
    const making = await make(call, 'sent')
    if (making.kind !== 'made') return undefined
    const { task } = making
    if (exchange.outcome !== undefined) {
      // Its client went away meanwhile, and took the call along.
      void owned.tasks.cancel(task.origin.ownerKey, task.id).catch(() => undefined)
      return undefined
    }
    if (isAnswered(flight)) {
      void owned.store.drop(task.id, 0).catch(() => undefined)
      return undefined
    }
    const created = createdOutcome(context, exchange, task)
    owned.runner.adopt(making, (taken, sink) => owned.adopt(taken, sink, flight))
    return created
  } catch (error) {
    context.deps.log({ level: 'warn', event: 'task_not_made', fields: { detail: error instanceof Error ? error.message : String(error) } })
    return undefined
  }
}

function isAnswered({ exchange }: Flight): boolean {
  return exchange.outcome !== undefined
}

/** The call's answer for its client: under its own id, in its own words. */
function answerOf(context: GatewayContext, exchange: Exchange, outcome: Outcome): Outcome {
  if (outcome.kind !== 'answered' && outcome.kind !== 'inputRequired') return outcome
  const scan = parseMessage(outcome.text)
  if (!scan.ok) return { kind: 'refused', error: new PortolanError('upstream_malformed') }
  return outcome.kind === 'inputRequired' ? sealedBefore(outcome.text, scan.value, exchange) : responseFor(context, exchange, scan.value)
}

/** Its state is sealed for this client already. */
function sealedBefore(text: string, message: Message, { message: asked }: Exchange): Outcome {
  const id = member(message.root, 'id')
  const own = asked?.idText ?? 'null'
  return { kind: 'inputRequired', text: id === undefined ? text : `${text.slice(0, id.start)}${own}${text.slice(id.end)}` }
}

/** `sent`: the call is in flight already. `waiting`: there is no room for it here. */
type Beginning = 'sent' | 'begun' | 'waiting'

async function make(call: OwnCall, beginning: Beginning): Promise<Making> {
  const task = await newTask(call, beginning)
  const making = call.owned.tasks.make(task)
  // Of a call in flight nobody waits for its task.
  return (beginning === 'sent' ? making : waitForStore(call.context, call.exchange, making)).catch((error: unknown) => {
    withdraw(call, task)
    throw error
  })
}

const WITHDRAW_MS = 1_000
/** Its lease passes, and it would be tried. */
const WITHDRAWALS = Math.floor(LEASE_MS / WITHDRAW_MS) - 1

/**
 * The store may have taken what it did not acknowledge: nobody has its handle, and it would be tried beside the call that
 * goes on, or that its client makes again (guarantee 1). With a key that next call is the same task.
 */
function withdraw(call: OwnCall, { id, idempotency }: Pick<NewTask, 'id' | 'idempotency'>, left = WITHDRAWALS): void {
  if (idempotency !== undefined) return
  call.owned.store.drop(id, 0).catch(() => {
    if (left > 0) call.context.deps.clock.after(WITHDRAW_MS, () => withdraw(call, { id, idempotency }, left - 1))
  })
}

/**
 * Made, leased and marked in one commit, so that it starts as soon as it is durable. Who crashes between that and the call
 * leaves `outcome_unknown` of a call that has not left: no other, since nobody can tell (guarantee 1). What has to wait is leased as
 * well, until it is acknowledged: what is not is withdrawn before anybody tries it.
 */
async function newTask(call: OwnCall, beginning: Beginning): Promise<NewTask> {
  const origin = await originOf(call)
  const isDispatched = beginning === 'sent' || (beginning === 'begun' && !origin.terms.isRepeatable)
  const lease = { holder: call.owned.replicaId, leaseMs: LEASE_MS, isDispatched }
  return { id: call.context.deps.random.id(), origin, idempotency: idempotencyOf(call), lease }
}

async function originOf({ context, exchange, message, route, terms }: OwnCall): Promise<TaskOrigin> {
  const party = partyOf(exchange)
  const { ownerKey, bindingKey, label, scopes } = party.principal
  const source = await Promise.resolve(sourceOf(context, party, route.upstream)).catch(() => undefined)
  const isRepeatable = terms.terms.isRepeatable || (source !== undefined && isSafe({ context, message, route, source }))
  return {
    ownerKey, bindingKey, label, scopes: [...scopes], endpoint: exchange.endpoint, scope: route.scope ?? '', upstreamId: route.upstream.id, tool: route.subject,
    requestText: exchange.session === undefined ? modernAttempt(message) : legacyAttempt(message, exchange.session),
    terms: { ...terms.terms, isRepeatable, ...askedTtl(exchange, message) },
  }
}

/** A legacy client may say how long it wants to find the result (S25 tasks, TTL); no longer than the configuration allows. */
function askedTtl({ era }: Exchange, { text, body }: Message): { readonly ttlMs?: number } {
  const node = era === 'legacy' ? member(body, 'task') : undefined
  const task = node === undefined ? undefined : readJson(text, node)
  const ttl = isJsonObject(task) ? task['ttl'] : undefined
  return typeof ttl === 'number' && ttl > 0 ? { ttlMs: Math.min(ttl, MAX_TTL_MS) } : {}
}

const MAX_TTL_MS = 30 * 24 * 60 * 60_000

function idempotencyOf({ owned: { sha256 }, exchange, message, route, key }: OwnCall): TaskIdempotency | undefined {
  if (key === undefined) return undefined
  const args = member(message.body, 'arguments')
  const canonical = args === undefined ? '' : canonicalJson(readJson(message.text, args))
  return { key: sha256(JSON.stringify([exchange.endpoint, route.scope ?? '', route.upstream.id, route.subject, key])), digest: sha256(canonical) }
}
