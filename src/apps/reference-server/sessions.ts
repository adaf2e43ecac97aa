// The sessions of clients until 2025-11-25, over HTTP: one server and one transport each. A session that nobody uses for a
// while is closed, and so is the longest unused one when there are too many: its client gets 404 and begins a new session.
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { NodeStreamableHTTPServerTransport } from '@modelcontextprotocol/node'
import { createEventStore } from './event-store.ts'
import { createConnectionServer } from './server.ts'
import type { ReferenceState } from './state.ts'

const MAX_EVENTS_PER_SESSION = 1000
const RETRY_MS = 500

/** Bounds of a session table. */
export type SessionLimits = { readonly maxSessionCount: number; readonly idleTimeoutMs: number }

type Session = { readonly transport: NodeStreamableHTTPServerTransport; openResponseCount: number; usedAtMs: number }

/** The open sessions. */
export type SessionTable = {
  /** The transport of the session, which counts as used until `response` is closed; undefined when there is none (any more). */
  readonly use: (sessionId: string, response: ServerResponse) => NodeStreamableHTTPServerTransport | undefined
  /**
   * The transport for an `initialize` request; the session exists from then on until it is closed or evicted. Undefined
   * when all sessions are in use and no more may be opened.
   */
  readonly open: () => Promise<NodeStreamableHTTPServerTransport | undefined>
  /** Closes the sessions that were idle for too long at `nowMs`. */
  readonly evictIdle: (nowMs: number) => void
  readonly count: () => number
  readonly close: () => Promise<void>
}

/** An empty session table. `now` is in epoch milliseconds. */
export function createSessionTable(state: ReferenceState, limits: SessionLimits, now: () => number): SessionTable {
  const sessions = new Map<string, Session>()

  const evict = (sessionId: string, session: Session): void => {
    sessions.delete(sessionId)
    void session.transport.close()
  }
  const hasRoom = (): boolean => {
    if (sessions.size < limits.maxSessionCount) return true
    const idle = [...sessions].filter(([, session]) => session.openResponseCount === 0)
    const oldest = idle.toSorted(([, a], [, b]) => a.usedAtMs - b.usedAtMs)[0]
    if (oldest !== undefined) evict(...oldest)
    return oldest !== undefined
  }

  return {
    use: (sessionId, response) => {
      const session = sessions.get(sessionId)
      if (session === undefined) return undefined
      session.openResponseCount += 1
      response.once('close', () => {
        session.openResponseCount -= 1
        session.usedAtMs = now()
      })
      return session.transport
    },
    open: async () => {
      if (!hasRoom()) return undefined
      const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        eventStore: createEventStore(MAX_EVENTS_PER_SESSION),
        retryInterval: RETRY_MS,
        onsessioninitialized: (sessionId) => {
          sessions.set(sessionId, { transport, openResponseCount: 0, usedAtMs: now() })
        },
      })
      const server = createConnectionServer(state, 'legacy')
      transport.onclose = () => {
        if (transport.sessionId !== undefined) sessions.delete(transport.sessionId)
      }
      await server.connect(transport)
      return transport
    },
    evictIdle: (nowMs) => {
      for (const [sessionId, session] of sessions) {
        if (session.openResponseCount === 0 && nowMs - session.usedAtMs >= limits.idleTimeoutMs) evict(sessionId, session)
      }
    },
    count: () => sessions.size,
    close: async () => {
      await Promise.all([...sessions.values()].map((session) => session.transport.close()))
      sessions.clear()
    },
  }
}
