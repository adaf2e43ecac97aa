/**
 * Who may have how many of this replica's attempts. An owner may have as many as are free beside his own, up to a bound: so the
 * first one takes half, each further one finds room, and what nobody wants is not kept back for long.
 */

export interface AttemptBounds {
  /** Of this replica, at a time. */
  readonly attempts: number
  readonly attemptsPerOwner: number
}

/** What may be claimed now. */
export interface ClaimRoom {
  readonly count: number
  /** Of one owner, where `rooms` does not say less. */
  readonly perOwner: number
  readonly rooms: ReadonlyMap<string, number>
}

export interface TaskShare {
  begun(ownerKey: string): void
  ended(ownerKey: string): void
  hasRoom(ownerKey: string): boolean
  /** For `upTo` tasks of anybody; undefined where there is none. */
  room(upTo: number): ClaimRoom | undefined
}

export function createTaskShare(bounds: () => AttemptBounds): TaskShare {
  const owners = new Map<string, number>()
  let all = 0
  /** All that one owner may have, those that he has among them. */
  const most = (): number => Math.min(bounds().attemptsPerOwner, bounds().attempts - all)

  return {
    begun(ownerKey) {
      all += 1
      owners.set(ownerKey, (owners.get(ownerKey) ?? 0) + 1)
    },
    ended(ownerKey) {
      const left = (owners.get(ownerKey) ?? 0) - 1
      all -= 1
      if (left > 0) owners.set(ownerKey, left)
      else owners.delete(ownerKey)
    },
    hasRoom: (ownerKey) => (owners.get(ownerKey) ?? 0) < most(),
    room(upTo) {
      const perOwner = most()
      const count = Math.min(upTo, bounds().attempts - all)
      if (count <= 0 || perOwner <= 0) return undefined
      const rooms = Array.from(owners, ([ownerKey, own]) => [ownerKey, Math.max(0, perOwner - own)] as const)
      return { count, perOwner, rooms: new Map(rooms.filter(([, places]) => places < count)) }
    },
  }
}
