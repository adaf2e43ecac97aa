/**
 * Input, modern client and legacy server (bridge-rulings §4): what a server asks for in the middle of a call is answered to
 * the client as `input_required`, the call stays open at the server, and the client's retry takes it up again.
 *
 *   serving ──server asks, 50 ms pass──▶ parked ──retry with this round's state──▶ serving ──response──▶ over
 *                                          └──nobody comes back in time──▶ cancelled at the server, over
 */

import type { InputCapability } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { objectText, readInputResponses } from '../../protocol/input-required.ts'
import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { relatedTaskId } from '../../protocol/task.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import { finish } from '../gateway/finish.ts'
import { ownedId } from '../replica/owned-id.ts'
import { refuseRequest } from '../upstream/refuse-request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Leased } from './input-pool.ts'
import { partyOf } from './party.ts'
import { canonicalJson } from './canonical-json.ts'
import { parkedState } from './own-state.ts'
import type { ParkedState } from './own-state.ts'
import { HELD_BYTES, MAX_ASKED, MAX_QUESTIONS, NOT_THIS, TOO_MANY, answerServer, questionText } from './server-question.ts'

/** One call that its server may interrupt with questions. */
export interface ParkableCall {
  /** The server asks the client. */
  ask(message: Message): void
  /** The server does not want to know any more. */
  withdraw(upstreamIdText: WireText): void
  /** Runs `end` now, or once the client is back; `heldBytes`: what waits with it. */
  settle(end: () => void, heldBytes?: number): void
  /** It is over. `isSpent`: its server may still ask for something. */
  close(isSpent?: boolean): void
  /** It is over, but what it began goes on in its session, which whoever takes it gives back. */
  handOver(): Leased
}

export interface ParkableOptions {
  readonly exchange: Exchange
  readonly upstream: Upstream
  readonly leased: Leased
  readonly input: ReadonlySet<InputCapability>
  /** Serves this exchange from now on. */
  readonly adopt: (exchange: Exchange) => void
  /** Cancels the call at the server. */
  readonly abort: (reason: string) => void
  /** The stream of a client that has gone needs no back-pressure. */
  readonly resumeStream: () => void
  /** Seals this round's state for the client that is asked. */
  readonly seal: (state: string) => string
}

export interface ParkedCalls {
  /** Calls that wait for their client. */
  readonly count: number
  open(options: ParkableOptions): ParkableCall
  /**
   * Takes up the call that `state` names and answers its server; false where no such call is there (any more). Throws
   * `invalid_request_state` for a state that was used before, or with another request.
   */
  resume(exchange: Exchange, state: ParkedState): boolean
  /** Nobody will come back for it: its server is told that it is cancelled. Nothing happens where no such call waits. */
  abandon(bindingKey: string, state: ParkedState): void
  close(): void
}

/** Requests that come together are one round (bridge-rulings §4). */
const BATCH_MS = 50
const MAX_PARKED = 1_000
const MAX_PER_PRINCIPAL = 64
const CROWDED = 'Too many calls wait for input. This one was cancelled: it may or may not have run.'

interface Question {
  readonly idText: WireText
  readonly method: string
  readonly entry: WireText
  /** The server's own id of the task that it belongs to; undefined for none. */
  readonly taskId: string | undefined
  isShown: boolean
}

interface Entry {
  readonly options: ParkableOptions
  readonly bindingKey: string
  readonly argumentsKey: string
  readonly questions: Map<string, Question>
  readonly id: string
  exchange: Exchange
  isParked: boolean
  /** When it was put to its client, where it is parked. */
  parkedTicks: number
  /** In the state of the newest round: an older one was used, or answered. */
  round: number
  asked: number
  /** Of the answer that waits for the client. */
  endBytes: number
  end: (() => void) | undefined
  stopTimer: (() => void) | undefined
}

export function createParkedCalls(context: () => GatewayContext): ParkedCalls {
  const entries = new Map<string, Entry>()

  const later = (entry: Entry, delayMs: number, run: () => void): void => {
    entry.stopTimer?.()
    entry.stopTimer = context().deps.clock.after(delayMs, run)
  }

  const close = (entry: Entry, isSpent = false): void => {
    entry.stopTimer?.()
    if (!entries.delete(entry.id)) return
    entry.options.leased.release(isSpent || entry.questions.size > 0)
  }

  const giveUp = (entry: Entry, reason: string): void => {
    entry.options.abort(reason)
    close(entry, true)
  }

  const show = (entry: Entry): void => {
    const { exchange, questions, options } = entry
    if (questions.size === 0) return
    if (exchange.outcome !== undefined) return giveUp(entry, 'the client went away')
    if (isCrowded(entries, entry.bindingKey)) yieldTo(entry)
    if (isCrowded(entries, entry.bindingKey)) {
      // It runs: what says "try again" would have it run twice (guarantee 1).
      finish(context(), exchange, { kind: 'refused', error: new PortolanError('outcome_unknown', { message: CROWDED }) })
      return giveUp(entry, 'too many calls wait for input')
    }
    entry.round += 1
    entry.isParked = true
    entry.parkedTicks = context().deps.clock.ticksMs()
    const state = options.seal(parkedState(entry))
    for (const question of questions.values()) question.isShown = true
    const requests = objectText(Array.from(questions, ([key, { entry: text }]) => [key, text] as const))
    const result = `{"resultType":"input_required","inputRequests":${requests},"requestState":${asciiJson(state)}}`
    const text = `{"jsonrpc":"2.0","id":${exchange.message?.idText ?? 'null'},"result":${result}}`
    later(entry, exchange.snapshot.limits.requestStateMs, () => giveUp(entry, 'the client did not answer in time'))
    finish(context(), exchange, { kind: 'inputRequired', text })
    options.resumeStream()
  }

  /** A modern client that is gone for good cannot be told from one whose user takes his time (S26 basic/patterns/mrtr). */
  const mayYield = ({ isParked, parkedTicks, exchange }: Entry): boolean =>
    isParked && context().deps.clock.ticksMs() - parkedTicks >= exchange.snapshot.limits.inputYieldMs

  const yieldTo = ({ bindingKey }: Entry): void => {
    for (const other of entries.values()) if (other.bindingKey === bindingKey && mayYield(other)) return giveUp(other, 'another call of its client needs the place')
  }

  const holds = ({ options: { upstream } }: Entry, moreBytes: number): boolean => {
    const all = Array.from(entries.values()).filter((one) => one.options.upstream === upstream)
    return all.reduce((sum, one) => sum + heldBytes(one), moreBytes) <= HELD_BYTES
  }

  const ask = (entry: Entry, message: Message): void => {
    if (!entries.has(entry.id)) return refuseRequest(entry.options.leased.channel, message)
    entry.asked += 1
    if (entry.asked > MAX_ASKED) {
      finish(context(), entry.exchange, { kind: 'refused', error: new PortolanError('upstream_malformed', { cause: 'asks without end' }) })
      return giveUp(entry, 'too many requests')
    }
    const text = questionText(entry.options.input, message)
    if (text === undefined) return refuseRequest(entry.options.leased.channel, message, NOT_THIS)
    if (entry.questions.size >= MAX_QUESTIONS || !holds(entry, text.length)) return refuseRequest(entry.options.leased.channel, message, TOO_MANY)
    entry.questions.set(`input-${entry.asked}`, { idText: message.idText, method: message.method, entry: text, taskId: relatedTaskId(message), isShown: false })
    if (!entry.isParked && entry.questions.size === 1) later(entry, BATCH_MS, () => show(entry))
  }

  /** An answer that could not be given: nothing will come of it where its session is gone. */
  const loseWithSession = (entry: Entry): void => {
    if (!entry.options.leased.channel.closed || !entries.has(entry.id) || entry.end !== undefined) return
    finish(context(), entry.exchange, { kind: 'refused', error: new PortolanError('outcome_unknown') })
    giveUp(entry, 'the session is lost')
  }

  const takeUp = (entry: Entry, exchange: Exchange, round: number): void => {
    const answers = answersOf(exchange)
    if (!entry.isParked || round !== entry.round || argumentsKey(exchange) !== entry.argumentsKey) throw new PortolanError('invalid_request_state')
    entry.stopTimer?.()
    entry.isParked = false
    entry.round += 1
    entry.exchange = exchange
    entry.options.adopt(exchange)
    const { leased } = entry.options
    for (const [key, question] of entry.questions) {
      const answer = question.isShown ? answers.get(key) : undefined
      if (answer === undefined) continue
      entry.questions.delete(key)
      void answerServer({ channel: leased.channel, leased, taskId: question.taskId }, question, answer).catch(() => loseWithSession(entry))
    }
    const { end } = entry
    entry.endBytes = 0
    if (end !== undefined) return end()
    if (entry.questions.size > 0) later(entry, BATCH_MS, () => show(entry))
  }

  return {
    get count() {
      return Array.from(entries.values()).filter(({ isParked }) => isParked).length
    },
    open(options) {
      const { exchange } = options
      const { bindingKey } = partyOf(exchange).principal
      const { random, peers } = context().deps
      const id = ownedId(peers.replicaId, random.id())
      const entry: Entry = {
        options, exchange, bindingKey, id, argumentsKey: argumentsKey(exchange), questions: new Map(), isParked: false, parkedTicks: 0, round: 0, asked: 0, endBytes: 0, end: undefined, stopTimer: undefined,
      }
      entries.set(id, entry)
      options.leased.mayYield = () => mayYield(entry)
      return {
        ask: (message) => ask(entry, message),
        withdraw(upstreamIdText) {
          for (const [key, { idText }] of entry.questions) if (idText === upstreamIdText) entry.questions.delete(key)
        },
        settle(end, bytes = 0) {
          if (!entry.isParked) return end()
          if (!holds(entry, bytes)) return close(entry, true)
          entry.endBytes = bytes
          entry.end = end
        },
        close: (isSpent) => close(entry, isSpent),
        handOver() {
          options.leased.mayYield = undefined
          entry.stopTimer?.()
          entries.delete(entry.id)
          // Nobody is asked any more: who waits for an answer would wait for ever.
          for (const question of entry.questions.values()) refuseRequest(options.leased.channel, question)
          entry.questions.clear()
          return options.leased
        },
      }
    },
    resume(exchange, { id, round }) {
      const entry = entries.get(id)
      if (entry === undefined || entry.bindingKey !== partyOf(exchange).principal.bindingKey) return false
      takeUp(entry, exchange, round)
      return true
    },
    abandon(bindingKey, { id }) {
      const entry = entries.get(id)
      if (entry?.bindingKey === bindingKey && entry.isParked) giveUp(entry, 'nobody waits for it any more')
    },
    close() {
      for (const entry of entries.values()) giveUp(entry, 'shutting down')
    },
  }
}

function isCrowded(entries: ReadonlyMap<string, Entry>, bindingKey: string): boolean {
  const parked = Array.from(entries.values()).filter(({ isParked }) => isParked)
  return parked.length >= MAX_PARKED || parked.filter((one) => one.bindingKey === bindingKey).length >= MAX_PER_PRINCIPAL
}

function heldBytes({ questions, endBytes }: Entry): number {
  return Array.from(questions.values()).reduce((sum, { entry }) => sum + entry.length, endBytes)
}

/** Throws `invalid_params` for what is no `inputResponses`; whatever else it holds is ignored (S26 mrtr, Error Handling). */
export function answersOf({ message }: Exchange): ReadonlyMap<string, WireText> {
  const node = member(message?.body, 'inputResponses')
  if (message === undefined || node === undefined) return new Map()
  const answers = readInputResponses(message.text.slice(node.start, node.end))
  const isWrong = answers === undefined || [...answers.values()].some((answer) => !answer.startsWith('{'))
  if (isWrong) throw new PortolanError('invalid_params', { message: 'Invalid params: inputResponses is no object of results' })
  return answers
}

/** The arguments in one form, however a client writes them: a retry is of the same request. */
function argumentsKey({ message }: Exchange): string {
  const node = member(message?.body, 'arguments')
  return message === undefined || node === undefined ? '' : canonicalJson(readJson(message.text, node))
}
