/**
 * While one listen replaces another both are open, and say of the same change the same (bridge-rulings §4, Subscriptions).
 * Counted for each listen: what the other one said as often already is no news; a second change is.
 */

export interface Overlap {
  begin(): void
  /** The new listen is acknowledged: from now on both say everything. */
  restart(): void
  end(): void
  /** Whether `key`, said by this listen, was not said for it by the other one before. */
  isNews(listen: object, key: string): boolean
}

export function createOverlap(): Overlap {
  let open = 0
  const said = new Map<string, { told: number; readonly by: Map<object, number> }>()
  return {
    begin: () => void (open += 1),
    restart: () => said.clear(),
    end() {
      open -= 1
      if (open === 0) said.clear()
    },
    isNews(listen, key) {
      if (open === 0) return true
      const entry = said.get(key) ?? { told: 0, by: new Map<object, number>() }
      said.set(key, entry)
      const times = (entry.by.get(listen) ?? 0) + 1
      entry.by.set(listen, times)
      if (times <= entry.told) return false
      entry.told = times
      return true
    },
  }
}
