/** The replicas that live in one process. */
import type { Clock } from '../../core/clock.ts'
import type { Replica, ReplicaStore } from '../../core/replica/replica-store.ts'
import { createExpiringMap } from './expiring-map.ts'

export function createReplicaStore(clock: Clock): ReplicaStore {
  const replicas = createExpiringMap<Replica>(clock)
  return {
    async announce(replica, lifetimeMs) {
      const wasAlive = replicas.get(replica.id) !== undefined
      replicas.set(replica.id, { ...replica }, lifetimeMs)
      return wasAlive
    },
    async leave(id) {
      replicas.delete(id)
    },
    async live() {
      return replicas.values().toSorted((left, right) => (left.id < right.id ? -1 : 1))
    },
    async find(id) {
      return replicas.get(id)
    },
  }
}
