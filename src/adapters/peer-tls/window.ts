/** How much of one direction of a conversation is unread: who writes waits while it is too much, and is told now and then what was read. */

export const ROOM_CHARS = 65_536

/** At the writer. */
export interface Window {
  /** Undefined while there is room for more. */
  add(chars: number): Promise<void> | undefined
  /** So much was read. */
  give(chars: number): void
  /** Nobody waits any more. */
  close(): void
}

export function createWindow(): Window {
  let unread = 0
  let isClosed = false
  let waiting: (() => void)[] = []
  const admit = (): void => {
    const admitted = waiting
    waiting = []
    for (const resolve of admitted) resolve()
  }
  return {
    add(chars) {
      unread += chars
      return isClosed || unread <= ROOM_CHARS ? undefined : new Promise((resolve) => waiting.push(resolve))
    },
    give(chars) {
      unread -= chars
      if (unread <= ROOM_CHARS) admit()
    },
    close() {
      isClosed = true
      admit()
    },
  }
}

/** At the reader: tells of what was read, not of each little text by itself. */
export function createRoomTeller(tell: (chars: number) => void): (chars: number) => void {
  let untold = 0
  return (chars) => {
    untold += chars
    if (untold < ROOM_CHARS / 2) return
    tell(untold)
    untold = 0
  }
}
