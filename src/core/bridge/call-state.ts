/** What is known of a call while it is in flight. */

import type { CallControl } from '../upstream/channel.ts'
import type { Message } from '../../protocol/message.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange, Route } from '../gateway/exchange.ts'
import type { Outcome } from '../gateway/outcome.ts'
import type { ResponseLook } from './client-response.ts'
import type { GatheredInput, InputRounds } from './gather-input.ts'
import type { ParkableCall } from './parked-calls.ts'
import type { Source } from './party.ts'
import type { TaskPlan } from './task-support.ts'

/** One call at a server, from its first attempt to its end. */
export interface Call {
  readonly context: GatewayContext
  readonly source: Source
  /** The client's request that is being served; another one for each round of input that a modern client gives. */
  exchange: Exchange
  message: Message
  route: Route
  look: ResponseLook
  attempts: number
  /** Requests of its server that nobody is asked. */
  refusals: number
  /** Where the server may ask the client: the call outlives its exchange. */
  parkable: ParkableCall | undefined
  /** Undefined: nothing of it is under way at its server. */
  control: CallControl | undefined
  /** Of a legacy client, for a modern server that asked for it. */
  input: GatheredInput | undefined
  rounds: InputRounds | undefined
  plan: TaskPlan
  /** Under which the server reports progress; '' for none. */
  token: string
  take: TakeResult | undefined
  /** It was given up: takes its answer, or that there is none (`abandoned-calls.ts`). */
  onLate: ((message: Message | undefined) => void) | undefined
  /** Sends it, once more where it was sent before. */
  readonly start: (call: Call) => void | Promise<void>
}

/** Takes what a modern server answered to a legacy client's call that may have become a task. */
export type TakeResult = (message: Message) => Outcome | Promise<Outcome>

/** At most one repetition, whatever the reason. */
export const MAX_ATTEMPTS = 2
