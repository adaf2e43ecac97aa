/** Port: remembers what may be used once (request states, proof ids) until it would have expired anyway. */

export interface ReplayGuard {
  /** True for the first use of `key` within `lifetimeMs`, false for every other one, on whichever replica. */
  firstUse(key: string, lifetimeMs: number): Promise<boolean>
}
