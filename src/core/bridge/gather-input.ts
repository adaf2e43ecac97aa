/**
 * Input, legacy client and modern server (bridge-rulings §4): what an `input_required` result asks for goes out as requests
 * on the call's own stream, all at once; their answers become the retry. Several rounds, bounded, and spaced where nobody
 * but the server decides how soon the next one comes.
 */

import { declaredInput, inputNeededBy } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import { asciiJson, member, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { legacyInputRequest, objectText, readInputRequired } from '../../protocol/input-required.ts'
import type { InputRequest } from '../../protocol/input-required.ts'
import type { Message } from '../../protocol/message.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { sessionCapabilities } from './party.ts'
import { addPending } from './server-message.ts'

/** What the retry carries besides the request itself. */
export interface GatheredInput {
  /** `inputResponses`; undefined where the server asked for none. */
  readonly responsesText: WireText | undefined
  /** `requestState` as the server wrote it; undefined for none. */
  readonly stateText: WireText | undefined
}

/** What one call remembers from round to round. */
export interface InputRounds {
  count: number
  /** URLs that the user agreed to visit: not asked again, since consent says nothing about what happened there. */
  readonly consented: Set<string>
}

export interface Asking {
  readonly context: GatewayContext
  readonly exchange: Exchange
  readonly session: LiveSession
  readonly upstream: Upstream
  readonly channel: Channel
  readonly rounds: InputRounds
}

const MAX_ROUNDS = 64
const FIRST_SPACE_MS = 250
const MAX_SPACE_MS = 5_000

/**
 * Asks the client for everything in `message`, and resolves with its answers. Rejects with `input_refused` where it does
 * not answer or has answered too often, `upstream_malformed` where the server asks for what it must not ask for.
 */
export async function gatherInput(asking: Asking, message: Message): Promise<GatheredInput> {
  const { session, rounds } = asking
  rounds.count += 1
  if (rounds.count > MAX_ROUNDS) throw new PortolanError('input_refused', { cause: `more than ${MAX_ROUNDS} rounds` })
  const read = readInputRequired(message.text)
  if (!read.ok) throw new PortolanError('upstream_malformed', { cause: read.fault.detail })
  const { requests, stateText } = read.value
  const declared = declaredInput(sessionCapabilities(session), session.data.revision)
  for (const { method, params } of requests) {
    // A modern server is told of no task that a client hosts.
    const missing = inputNeededBy(method, params).find((needed) => !declared.has(needed) || needed.startsWith('tasks.'))
    if (missing !== undefined) throw new PortolanError('upstream_malformed', { cause: `asks for ${missing}, which is not declared` })
  }
  const gathering = startGathering(asking)
  const answers = await Promise.race([Promise.all(requests.map((request) => answerOf(asking, gathering, request))), gathering.aborted])
  if (requests.every((request) => isUrlMode(request))) await pause(asking, gathering)
  asking.exchange.awaitsInput = false
  return { responsesText: requests.length === 0 ? undefined : objectText(answers), stateText }
}

function isUrlMode({ params }: InputRequest): boolean {
  return params['mode'] === 'url'
}

interface Gathering {
  /** Rejects when the call was given up. */
  readonly aborted: Promise<never>
  readonly open: Set<() => void>
}

/** While the client is asked, giving the call up withdraws the questions: nothing runs at the server. */
function startGathering({ exchange }: Asking): Gathering {
  const open = new Set<() => void>()
  let reject: (error: unknown) => void = () => undefined
  const aborted = new Promise<never>((_resolve, fail) => (reject = fail))
  aborted.catch(() => undefined)
  exchange.awaitsInput = true
  exchange.carriage = {
    abort(reason) {
      for (const withdraw of open) withdraw()
      open.clear()
      reject(new PortolanError('input_refused', { cause: reason }))
    },
    resume: () => undefined,
  }
  return { aborted, open }
}

async function answerOf(asking: Asking, gathering: Gathering, request: InputRequest): Promise<readonly [string, WireText]> {
  const { key, method, params } = request
  const { consented } = asking.rounds
  const url = method === 'elicitation/create' && isUrlMode(request) ? String(params['url']) : undefined
  if (url !== undefined && consented.has(url)) return [key, '{"action":"accept"}']
  const answer = await ask(asking, gathering, request)
  if (answer.kind !== 'result' || answer.body === undefined) {
    asking.exchange.carriage?.abort('the client answered with an error')
    throw new PortolanError('input_refused', { cause: 'the client answered with an error' })
  }
  if (url !== undefined && readString(answer.text, member(answer.body, 'action')) === 'accept') consented.add(url)
  return [key, answer.text.slice(answer.body.start, answer.body.end)]
}

function ask({ context, exchange, session, upstream, channel }: Asking, { open }: Gathering, request: InputRequest): Promise<Message> {
  return new Promise((resolve) => {
    const idText = addPending(session, {
      channel,
      upstream,
      upstreamIdText: '',
      upstreamToken: '',
      method: request.method,
      gather: {
        answer(message) {
          open.delete(withdraw)
          exchange.lastActivityTicks = context.deps.clock.ticksMs()
          resolve(message)
        },
        giveUp: () => exchange.carriage?.abort('too many open questions'),
      },
    })
    const withdraw = (): void => {
      session.pending.delete(idText)
      const params = asciiJson({ requestId: Number(idText), reason: 'The call was given up' })
      exchange.reply.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":${params}}`)
    }
    open.add(withdraw)
    const words = { hasUrlMode: traitsOf(session.data.revision).elicitation === 'form+url', elicitationId: context.deps.random.id() }
    exchange.reply.send(legacyInputRequest(request, idText, words))
  })
}

/** A server that asks again at once, or asks for nothing, must not be asked in a busy loop. */
function pause({ context, rounds }: Asking, { aborted }: Gathering): Promise<void> {
  const delayMs = Math.min(MAX_SPACE_MS, FIRST_SPACE_MS * 2 ** (rounds.count - 1))
  return Promise.race([new Promise<void>((resolve) => void context.deps.clock.after(delayMs, resolve)), aborted])
}
