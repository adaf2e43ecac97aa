/**
 * What an upstream server looks like to the gateway, whatever its transport: a place to send whole JSON-RPC messages.
 * Messages arrive parsed with `ENVELOPE_PLAN`, ids as Portolan wrote them; a channel neither renames nor re-ids anything.
 */

import type { IdText, Message } from '../../protocol/message.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era, LegacyRevision, Revision } from '../../protocol/revision.ts'

export interface ChannelFailure {
  readonly reason:
    | 'unreachable' // nobody there: connection refused, no such command, still in backoff
    | 'closed' // the connection, stream or child ended without a response
    | 'malformed' // not JSON-RPC, a wrong id, a wrong content type
    | 'oversized' // more than the limit
    | 'status' // HTTP status that carries no JSON-RPC response
    | 'session_gone' // this session is unknown upstream: refused before execution
    | 'overloaded' // 429, 503, or our own cap reached after queueing
    | 'timeout' // our own: idle or total time of the channel's own requests
  /** False only where the request cannot have been executed: no byte left, or it was refused before execution. */
  readonly sent: boolean
  readonly detail: string
  readonly status?: number
  readonly retryAfterSec?: number
}

/** What a call's own stream brings. Exactly one of onResponse and onFailure, last; neither after `abort`. */
export interface CallHandler {
  /** A notification or a server's request on this call's own stream. False: pause the stream until `CallControl.resume`. */
  onMessage(message: Message): boolean
  /**
   * The server ended this call's stream without a response; the channel takes it up again after `retryMs` (2025-11-25,
   * Transports: the server may close the connection at any time after an event id). Not a failure; any number of times.
   */
  onSuspended?(retryMs: number): void
  /** The response is long: whoever wants it piece by piece says so, instead of `onResponse`. Asked once. */
  onLong?(): LongResponse | undefined
  onResponse(message: Message): void
  onFailure(failure: ChannelFailure): void
}

/**
 * A long response while it arrives, never held whole. `slow`: pause until `CallControl.resume`. `whole`: nothing has been
 * taken, collect it after all; only the first piece may be answered so. `malformed`: it cannot go on.
 */
export interface LongResponse {
  push(text: WireText): 'more' | 'slow' | 'whole' | 'malformed'
  /** After the last piece. */
  end(): 'done' | 'malformed'
}

export interface CallControl {
  /**
   * Gives the call up and tells the upstream in its own way: modern HTTP closes the stream, stdio and legacy send
   * `notifications/cancelled` (never for `initialize`; 2025-11-25, Cancellation). `onLate`: takes the response that the server sent
   * all the same, where the transport can still hear it.
   */
  abort(reason: string, onLate?: (response: Message) => void): void
  resume(): void
}

export interface ChannelCall {
  /** A whole request; its id must be unique on this channel (`nextId`). */
  readonly text: WireText
  readonly idText: IdText
  readonly method: string
  /** The progress token that stands in `text`, as written; '' for none. stdio attributes progress by it. */
  readonly progressToken: string
  /** Extra HTTP header pairs (Mcp-Method, Mcp-Name, Mcp-Param-*, credentials); ignored on stdio. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly handler: CallHandler
}

export interface Channel {
  readonly era: Era
  readonly transport: 'stdio' | 'http'
  readonly revision: Revision
  /** A new JSON-RPC id for a request on this channel. */
  nextId(): IdText
  send(call: ChannelCall): CallControl
  /** Sends a notification, or a response to a server's request. Resolves when it was accepted; rejects with PortolanError. */
  notify(text: WireText, headers?: readonly (readonly [string, string])[]): Promise<void>
  /** Ends it: DELETE for an HTTP session, the end of a child that nobody else uses. */
  close(): Promise<void>
  readonly closed: boolean
}

/** What arrives outside any call: on stdio all that names no call, on HTTP the GET stream. */
export interface ChannelListener {
  onMessage(message: Message): void
  /** Once; calls in flight were failed before. `gone`: nothing of its state is left. `wasIdle`: we ended it, because nobody used it. */
  onClosed(reason: { readonly gone: boolean; readonly detail: string; readonly wasIdle?: true }): void
}

/** A legacy session upstream: `initialize` and `notifications/initialized` are done. */
export interface LegacyChannel extends Channel {
  readonly era: 'legacy'
  /** The result of `initialize` as JSON text (wire text). */
  readonly initializeResult: WireText
  /** Opens the GET stream where the transport has one, and keeps it open. Resolves when it is, when the server has none (405), or at the end of the session: what fails is tried again. Never rejects. */
  openStream(): Promise<void>
  /** What another holder needs to go on in this session; undefined where it goes with its process or connection, or the server keeps none. */
  readonly standing?: StandingSession
  /** It is another holder's from now on: nothing comes here but the answers to what is in flight, and `close` says nothing to the server. At once. */
  disown?(): void
  /** Where it may be ended for not being used: not until the returned function is called. */
  hold?(): () => void
}

/** A session at a server over Streamable HTTP, which stands whoever holds it. A secret: whoever knows the id is in the session. */
export interface StandingSession {
  readonly url: string
  readonly sessionId: string
  readonly revision: LegacyRevision
}

/** What became of a session that was to end. `unheard`: the server could not be asked just now; `refused`: it does not let us. It may stand in both. */
export type Ending = 'ended' | 'refused' | 'unheard'

export interface OpenLegacy {
  /** Gone on with where the server still knows it; else a new one is opened. */
  readonly standing?: StandingSession | undefined
  /** JSON texts for `initialize`. */
  readonly clientInfo: WireText
  readonly capabilities: WireText
  /** Asked for; the channel's `revision` says what was agreed. */
  readonly revision: Revision
  /** Who it is for: counts against the caps of one principal. '' for shared ones. */
  readonly ownerKey: string
  /** Several sessions use this one child: it is not closed by one of them. */
  readonly shared: boolean
  readonly listener: ChannelListener
  /** Whether it may end in the middle of its call, to make room for another one of the same owner. */
  readonly mayYield?: () => boolean
  readonly headers: readonly (readonly [string, string])[]
}
