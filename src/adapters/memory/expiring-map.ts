/** Values that live for a while, by key; in the order of the last `set`, so that dead ones leave without a timer. */
import type { Clock } from '../../core/clock.ts'

export interface ExpiringMap<V> {
  get(key: string): V | undefined
  /** Inserts or replaces; lives `lifetimeMs` from now. */
  set(key: string, value: V, lifetimeMs: number): void
  /** Replaces without a longer life. False where there is none. */
  replace(key: string, value: V): boolean
  delete(key: string): boolean
  /** Those alive. */
  values(): V[]
}

interface Entry<V> {
  readonly value: V
  readonly expiresAtTicksMs: number
}

/** How many of the oldest each `set` looks at. */
const SWEEP_COUNT = 4

/** `expiredAtTicksMs`: undefined for what was deleted or replaced. */
export function createExpiringMap<V>(clock: Clock, onRemoved: (value: V, expiredAtTicksMs: number | undefined) => void = () => undefined): ExpiringMap<V> {
  const entries = new Map<string, Entry<V>>()

  function remove(key: string, expiredAtTicksMs?: number): boolean {
    const entry = entries.get(key)
    if (entry === undefined) return false
    entries.delete(key)
    onRemoved(entry.value, expiredAtTicksMs)
    return true
  }

  function live(key: string): Entry<V> | undefined {
    const entry = entries.get(key)
    if (entry === undefined || entry.expiresAtTicksMs > clock.ticksMs()) return entry
    remove(key, entry.expiresAtTicksMs)
    return undefined
  }

  function sweep(): void {
    let looked = 0
    for (const key of entries.keys()) {
      if (looked++ === SWEEP_COUNT || live(key) !== undefined) return
    }
  }

  return {
    get: (key) => live(key)?.value,
    set(key, value, lifetimeMs) {
      remove(key)
      entries.set(key, { value, expiresAtTicksMs: clock.ticksMs() + lifetimeMs })
      sweep()
    },
    replace(key, value) {
      const entry = live(key)
      if (entry !== undefined) entries.set(key, { ...entry, value })
      return entry !== undefined
    },
    delete: (key) => live(key) !== undefined && remove(key),
    values: () => [...entries.keys()].flatMap((key) => live(key)?.value ?? []),
  }
}
