/** How a contract suite holds a store: every adapter of a port brings one. */

export interface StoreRig<S> {
  readonly store: S
  /** The same state by another connection, as another replica has it. */
  second(): Promise<S>
  /** Lets the store's time pass. */
  pass(ms: number): Promise<void>
}
