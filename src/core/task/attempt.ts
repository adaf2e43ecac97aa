/** Port: how one try at a task is begun, and what it says to its runner. */

import type { AttemptOutcome } from './attempt-end.ts'
import type { SaidOf, StoredTask, TaskPhase } from './stored-task.ts'

/** What an attempt says to its runner. */
export interface AttemptSink {
  /** Before the first byte may leave. False: it must not be sent, the task is another's by now. */
  dispatch(): Promise<boolean>
  /** What it is about, for who asks. */
  note(statusMessage: string, heard?: SaidOf): void
  /** Once; what comes later is not taken. */
  end(outcome: AttemptOutcome): void
}

export interface Attempt {
  /** Its end is waited for, and nobody can see it once this process has ended: who only follows looks as often as its server allows. */
  hurry?(): void
  /** Gives it up, and tells its server; who only follows an adopted task just stops, but where its `phase` is `cancelled` by now. */
  abort(reason: string, phase?: TaskPhase): void
}

export type BeginAttempt = (task: StoredTask, sink: AttemptSink) => Attempt
