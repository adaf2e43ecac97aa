/** Leases of one process, for replicas that live in it. */
import type { Clock } from '../../core/clock.ts'
import type { Lease, LeaseStore } from '../../core/replica/lease-store.ts'
import { createExpiringMap } from './expiring-map.ts'

export function createLeaseStore(clock: Clock): LeaseStore {
  const held = createExpiringMap<Lease>(clock)
  /** Outlives the leases. */
  const epochs = new Map<string, number>()

  const isHeld = (lease: Lease): boolean => {
    const now = held.get(lease.name)
    return now?.epoch === lease.epoch && now.holder === lease.holder
  }

  return {
    async acquire(name, holder, ms) {
      const now = held.get(name)
      if (now !== undefined && now.holder !== holder) return undefined
      const epoch = (epochs.get(name) ?? 0) + 1
      epochs.set(name, epoch)
      const lease = { name, holder, epoch }
      held.set(name, lease, ms)
      return lease
    },
    find: async (name) => held.get(name),
    async renew(lease, ms) {
      if (!isHeld(lease)) return false
      held.set(lease.name, lease, ms)
      return true
    },
    async release(lease) {
      if (isHeld(lease)) held.delete(lease.name)
    },
  }
}
