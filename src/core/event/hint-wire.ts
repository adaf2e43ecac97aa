/** What adapters of hints that go over a wire have in common: their state, for `portolan status`, and their end. */
import type { Hints } from './hints.ts'

export interface WiredHints extends Hints {
  /** Whether hints reach other replicas now, and if not, why; no address or secret in it. */
  state(): HintWireState
  close(): Promise<void>
}

export interface HintWireState {
  readonly wire: 'postgres' | 'nats' | 'workers'
  readonly isUp: boolean
  readonly detail: string
}
