/** A configuration that is handed in: at start, and again whenever it changes. */
import type { Snapshot, SnapshotSource } from '../../core/gateway/snapshot.ts'

export interface ReplaceableSnapshotSource extends SnapshotSource {
  /** The same digest changes nothing and tells nobody. */
  replace(next: Snapshot): void
}

export function createSnapshotSource(first: Snapshot): ReplaceableSnapshotSource {
  let snapshot = first
  const listeners = new Set<{ readonly onChange: (snapshot: Snapshot) => void }>()

  return {
    current: () => snapshot,
    subscribe(onChange) {
      const listener = { onChange }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    replace(next) {
      if (next.digest === snapshot.digest) return
      snapshot = next
      for (const { onChange } of listeners) onChange(next)
    },
  }
}
