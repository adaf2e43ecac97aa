/** Events of streams, in the order of keeping. */

import type { EventStore, KeptEvent } from '../../core/session/event-store.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase, Statement } from './sql-database.ts'

/** One owner at a time keeps a session's events; should two do so at once, their events may share ordinals. */
const NEWEST = 'SELECT COALESCE(MAX(ordinal), 0) AS newest FROM portolan_event WHERE session_id = $1'
const LOAD = `
  SELECT stream_id, event_id, body, is_final FROM portolan_event
  WHERE session_id = $1 AND expires_at_ms > portolan_now_ms() ORDER BY ordinal, event_id`
const DROP = 'DELETE FROM portolan_event WHERE session_id = $1'

/** Events of one statement: both databases bound the number of parameters. */
const CHUNK = 500

export function createEventStore(database: SqlDatabase): EventStore {
  return {
    async keep(sessionId, events, lifetimeMs) {
      const statements: Statement[] = []
      for (let at = 0; at < events.length; at += CHUNK) statements.push(keepStatement(sessionId, events.slice(at, at + CHUNK), lifetimeMs))
      if (statements.length > 0) await database.writeAll(statements)
    },
    async load(sessionId) {
      const rows = await database.read(LOAD, [sessionId])
      return rows.map((row) => ({
        streamId: textOf(row, 'stream_id'),
        eventId: textOf(row, 'event_id'),
        text: textOf(row, 'body'),
        isFinal: numberOf(row, 'is_final') === 1,
      }))
    },
    async dropSession(sessionId) {
      await database.write(DROP, [sessionId])
    },
  }
}

/** What stands there already is looked at once for all: asked for each event, 1,000 of them took seconds, and a drain lost its session. */
function keepStatement(sessionId: string, events: readonly KeptEvent[], lifetimeMs: number): Statement {
  const rows = events.map((_, index) => {
    const first = 3 + index * 4
    return `($${first}, $${first + 1}, $${first + 2}, $${first + 3}, ${index + 1})`
  })
  // Without WHERE, SQLite takes ON for the condition of a join.
  const sql = `
    INSERT INTO portolan_event (session_id, event_id, stream_id, body, is_final, ordinal, expires_at_ms)
    SELECT $1, column1, column2, column3, CAST(column4 AS BIGINT), newest + column5, portolan_now_ms() + $2
    FROM (VALUES ${rows.join(', ')}) AS event CROSS JOIN (${NEWEST}) AS kept
    WHERE true ON CONFLICT (session_id, event_id) DO NOTHING`
  const values = events.flatMap(({ eventId, streamId, text, isFinal }) => [eventId, streamId, text, isFinal ? 1 : 0])
  return { sql, values: [sessionId, Math.ceil(lifetimeMs), ...values] }
}
