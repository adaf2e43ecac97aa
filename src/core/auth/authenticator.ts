/** Port: turns what a request carries into a principal, or into the challenge that tells the client what to bring. */

import type { Principal } from './principal.ts'

export interface Presented {
  /** The `Authorization` header as received; undefined on stdio and where absent. */
  readonly authorization: string | undefined
  /** True where the peer needs no proof: a stdio parent process, the operations socket. */
  readonly trusted: boolean
}

export type Authentication =
  | { readonly ok: true; readonly principal: Principal }
  | { readonly ok: false; readonly fault: { readonly reason: 'missing' | 'invalid'; readonly challenge: string } }

/** Answers at once where it can (a cached or static token), so that the data path need not wait. */
export interface Authenticator {
  authenticate(presented: Presented): Authentication | Promise<Authentication>
}
