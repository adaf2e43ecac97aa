/** Port: admits exchanges. Every admission is released exactly once. */

export interface LimitQuestion {
  readonly ownerKey: string
  /** '' before routing. */
  readonly upstreamId: string
}

export type Admission =
  | { readonly ok: true; release(): void }
  | { readonly ok: false; readonly fault: { readonly reason: 'overloaded'; readonly retryAfterSec: number } }

export interface Limiter {
  admit(question: LimitQuestion): Admission | Promise<Admission>
}
