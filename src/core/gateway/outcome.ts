/** How an exchange ends: exactly one of these, whatever happened. */

import type { WireText } from '../../protocol/json.ts'
import type { PortolanError } from '../../protocol/error.ts'

export type Outcome =
  /**
   * A final JSON-RPC response, with the client's own id. `failed`: a JSON-RPC error, or a result with `isError`. `tail`:
   * bytes after the text that are kept ready, so that a long list is not copied for each answer.
   */
  | { readonly kind: 'answered'; readonly text: WireText; readonly tail?: Buffer; readonly status: number; readonly failed: boolean }
  /** An answer with HTTP headers of its own (a new session id). */
  | { readonly kind: 'opened'; readonly text: WireText; readonly headers: Readonly<Record<string, string>> }
  /** The client must gather input and retry (2026-07-28, MRTR). */
  | { readonly kind: 'inputRequired'; readonly text: WireText }
  /** A task was created instead of a result. */
  | { readonly kind: 'task'; readonly text: WireText }
  /** A notification or a response was taken: 202; a session was ended: 200. */
  | { readonly kind: 'accepted'; readonly status: 202 | 200 }
  /** A stream that carries no response ended. */
  | { readonly kind: 'ended' }
  | { readonly kind: 'refused'; readonly error: PortolanError }
  /** Not authenticated: `challenge` is the `WWW-Authenticate` value. */
  | { readonly kind: 'challenge'; readonly error: PortolanError; readonly challenge: string }
  /** Authenticated, but these scopes are missing. */
  | { readonly kind: 'stepUp'; readonly scopes: readonly string[]; readonly challenge: string }
  /** A person must approve at `url` first. */
  | { readonly kind: 'approval'; readonly url: string }
  /** The client cancelled: nothing more is sent. */
  | { readonly kind: 'cancelled'; readonly reason: string }
  /** Another replica served it, and recorded it. */
  | { readonly kind: 'relayed' }
  /** The client went away before the answer. */
  | { readonly kind: 'disconnected' }
