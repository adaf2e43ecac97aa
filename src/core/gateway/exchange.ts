/** One client request being served, from decoded to its one outcome. Stages fill it in; `finish` ends it exactly once. */

import type { Era, Revision } from '../../protocol/revision.ts'
import type { Message } from '../../protocol/message.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Principal } from '../auth/principal.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { CallControl } from '../upstream/channel.ts'
import type { Found } from '../task/tasks.ts'
import type { Upstream } from '../upstream/upstream.ts'
import type { Carried } from '../replica/serve-exchange.ts'
import type { HttpRequest, HttpResponse } from './http-exchange.ts'
import type { Outcome } from './outcome.ts'
import type { Reply } from './reply.ts'
import type { Snapshot } from './snapshot.ts'

/** Where a request goes: which upstream server, and what it calls there what the client named. */
export interface Route {
  readonly upstream: Upstream
  /** The upstream's own tool or prompt name, URI or task id; '' where the method names nothing. */
  readonly subject: string
  /** True on `/mcp`, where names and URIs carry the server's mark and answers must be rewritten; at some virtual servers, too. */
  readonly marked: boolean
  /** A virtual server calls it otherwise than its server. */
  readonly renamed?: boolean | undefined
  /** Members of `params` that a virtual server sets in place of the client's. */
  readonly params?: Readonly<Record<string, WireText>> | undefined
  /** Those of the arguments in it that the client did not send. */
  readonly fixed?: Readonly<Record<string, WireText>> | undefined
  /** The virtual server that handles are bound to; undefined or '' for none. */
  readonly scope?: string | undefined
  /** It names a task that Portolan owns, or has kept to its end: its server need not be asked, nor be there. */
  readonly isOwned?: boolean | undefined
  /** What is kept of the server's task that it names; undefined for nothing. */
  readonly kept?: Found
  /** HTTP header pairs that mirror tool arguments (`x-mcp-header`), re-made for the upstream. */
  readonly paramHeaders: readonly (readonly [name: string, value: string])[]
  /** The replica whose child made the task or state that the request names; '' for none, undefined where it names nothing. */
  readonly heldBy?: string | undefined
  /** The upstream's own `requestState`, opened; undefined where the request has none. */
  readonly requestState: string | undefined
}

export interface Exchange {
  readonly id: string
  readonly receivedAtMs: number
  readonly startedTicks: number
  readonly transport: 'http' | 'sse' | 'stdio'
  /** '' for `/mcp`, else the name in `/<name>/mcp`. */
  readonly endpoint: string
  readonly snapshot: Snapshot
  /** Only where the request came over HTTP, and until it is finished. */
  http: HttpRequest | undefined
  /** The way back of `http`, for whoever takes the exchange over as it came. */
  response: HttpResponse | undefined
  /** Another replica brought it. */
  readonly carried: Carried | undefined
  /** Another replica serves it. */
  isRelayed: boolean
  era: Era
  /** Undefined until it is known (a request without a version, a session not looked up yet). */
  revision: Revision | undefined
  text: WireText
  message: Message | undefined
  principal: Principal | undefined
  session: LiveSession | undefined
  route: Route | undefined
  credential: readonly (readonly [name: string, value: string])[]
  /** Given back when the exchange finishes. */
  release: (() => void) | undefined
  /** The upstream call in flight, where there is one. */
  carriage: CallControl | undefined
  /** A task is being made of it that no repetition would find: it may be tried whatever becomes of the exchange. */
  becomesTask: boolean
  /** A person is asked something: quiet is no sign of trouble. */
  awaitsInput: boolean
  /** Ticks of the last sign of life, for the idle timeout. */
  lastActivityTicks: number
  reply: Reply
  /** Called once the session is known: a session's POST is answered on a stream that can be resumed. */
  onSession: ((session: LiveSession) => void) | undefined
  outcome: Outcome | undefined
  /** Run when the exchange finishes, in the order added. */
  readonly onFinished: (() => void)[]
}
