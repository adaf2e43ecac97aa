/**
 * Who of all replicas does what needs doing only once, such as sweeping: the living one with the least id. Each finds out by
 * itself from the heartbeats that are stored anyway; a dead one is succeeded when they end, within 3 s. For a moment there may be
 * two, or none: only for what is harmless to repeat and can wait.
 */

import type { ReplicaStore } from './replica-store.ts'

/** True for a process that shares its state with nobody: then no replica is stored. Rejects with `state_unavailable`. */
export async function isElected(replicas: ReplicaStore, selfId: string): Promise<boolean> {
  const [first] = await replicas.live()
  return first === undefined || first.id === selfId
}
