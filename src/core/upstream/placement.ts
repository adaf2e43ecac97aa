/** Where the children of a server run of which there is one set in the whole cluster. */

export interface Placement {
  /** They run here, and calls of other replicas may come. Becomes false before anybody else may run them. */
  isHere(): boolean
  /** The replica that runs them, as far as it is known; '' for nobody. */
  holder(): string
  /** Calls `run` once, when they have to end here; returns a function that stops it. */
  onMoved(run: () => void): () => void
  /** Calls `run` once, as soon as no call is in flight here. */
  whenIdle(run: () => void): void
  /** Takes no more calls, lets those in flight end for up to `graceMs`, ends the children, and lets another replica have them. */
  handOver(graceMs: number): Promise<void>
}
