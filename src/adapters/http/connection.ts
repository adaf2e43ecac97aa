/** One client connection and the answers still due on it: when it closes, each of them learns that its peer is gone. */
import type { Socket } from 'node:net'

/** An answer that was not ended yet. */
export interface OpenAnswer {
  leave(): void
}

export interface Connection {
  add(answer: OpenAnswer): void
  /** The answer was ended. Does nothing for one that is not there. */
  remove(answer: OpenAnswer): void
  /** How many answers are due. */
  readonly dueCount: number
  /** Whether the next answer is to be the last one on this connection. */
  closing(): boolean
}

export interface Connections {
  /** The connection of `socket`, the same one each time. */
  of(socket: Socket): Connection
  /** A connection was accepted: unused until `of` is asked for it. */
  opened(socket: Socket): void
  /** Cuts those on which no request was ever made: browsers and undici open connections ahead of need. */
  cutUnused(): void
  /** Answers due on all connections. */
  readonly dueCount: number
  /** Connections that are open. */
  readonly openCount: number
  /** Resolves when none is open. */
  ended(): Promise<void>
}

/** Keeps count of open answers. `closing` says whether the listener is shutting down. */
export function createConnections(closing: () => boolean): Connections {
  const bySocket = new WeakMap<Socket, Connection>()
  const unused = new Set<Socket>()
  let total = 0
  let openCount = 0
  let onEnded: (() => void)[] = []

  function closed(socket: Socket): void {
    unused.delete(socket)
    openCount--
    if (openCount > 0) return
    for (const resolve of onEnded) resolve()
    onEnded = []
  }

  function open(socket: Socket): Connection {
    // An array: a connection has one answer due, or few; and a Set's old tables would keep the finished ones alive.
    const due: OpenAnswer[] = []
    socket.once('close', () => {
      const left = due.splice(0)
      total -= left.length
      for (const answer of left) answer.leave()
    })
    return {
      add(answer) {
        due.push(answer)
        total++
      },
      remove(answer) {
        const index = due.indexOf(answer)
        if (index < 0) return
        due.splice(index, 1)
        total--
      },
      get dueCount() {
        return due.length
      },
      closing,
    }
  }

  return {
    opened(socket) {
      openCount++
      unused.add(socket)
      socket.once('close', () => closed(socket))
    },
    cutUnused() {
      for (const socket of unused) socket.destroy()
    },
    of(socket) {
      unused.delete(socket)
      let connection = bySocket.get(socket)
      if (connection === undefined) {
        connection = open(socket)
        bySocket.set(socket, connection)
      }
      return connection
    },
    get dueCount() {
      return total
    },
    get openCount() {
      return openCount
    },
    ended: () => (openCount === 0 ? Promise.resolve() : new Promise((resolve) => void onEnded.push(resolve))),
  }
}
