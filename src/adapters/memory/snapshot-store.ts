/** The configuration that the replicas of one process share. */
import type { SnapshotStore, StoredSnapshot } from '../../core/gateway/snapshot-store.ts'

export function createSnapshotStore(): SnapshotStore {
  let current: StoredSnapshot | undefined
  return {
    async put(digest, text) {
      if (current?.digest !== digest) current = { digest, text, revision: (current?.revision ?? 0) + 1 }
    },
    async current() {
      return current
    },
  }
}
