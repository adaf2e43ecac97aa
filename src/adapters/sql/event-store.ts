/** Events of streams, in the order of keeping. */

import type { EventStore, KeptEvent } from '../../core/session/event-store.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase, SqlValue, Statement } from './sql-database.ts'

/** One owner at a time keeps a session's events; should two do so at once, their events may share ordinals. */
const NEWEST = 'SELECT COALESCE(MAX(ordinal), 0) AS newest FROM portolan_event WHERE session_id = $1'
const LOAD = `
  SELECT stream_id, event_id, body, is_final FROM portolan_event
  WHERE session_id = $1 AND expires_at_ms > portolan_now_ms() ORDER BY ordinal, event_id`
/** Wire text is a byte a character, which takes two here where it is not ASCII. */
const TRIM = `
  DELETE FROM portolan_event WHERE session_id = $1 AND event_id IN (
    SELECT event_id FROM (
      SELECT event_id, ROW_NUMBER() OVER newest AS place, SUM(LENGTH(body)) OVER newest AS bytes
      FROM portolan_event WHERE session_id = $1 WINDOW newest AS (ORDER BY ordinal DESC, event_id DESC)
    ) AS own WHERE place > $2 OR bytes > $3
  )`
const DROP = 'DELETE FROM portolan_event WHERE session_id = $1'
/** Takes the row's lock, so that nobody claims or ends the session before the transaction is over. */
const holdWhere = (more: string): string => `UPDATE portolan_session SET epoch = epoch WHERE id = $1 AND epoch = $2${more} RETURNING epoch`
const HOLD = holdWhere('')
const isHeld = (epoch: string): string => `EXISTS (SELECT 1 FROM portolan_session WHERE id = $1 AND epoch = ${epoch})`
/** Of those who change one session's events at once each waits here: rows are found in one order, made in another, and trimmed in a third. */
const ALONE = 'SELECT pg_advisory_xact_lock(706162660, hashtext($1))'
const WITH_ALONE = `WITH alone AS MATERIALIZED (${ALONE})`
const IS_ALONE = ' AND EXISTS (SELECT 1 FROM alone)'
const DROP_ALONE = `${WITH_ALONE} ${DROP}${IS_ALONE}`
const HOLD_ALONE = `${WITH_ALONE} ${holdWhere(IS_ALONE)}`
const DROP_HELD = `${DROP} AND ${isHeld('$2')}`

/** Events of one statement: both databases bound the number of parameters. */
const CHUNK = 500

export function createEventStore(database: SqlDatabase): EventStore {
  const isShared = database.dialect === 'postgres'
  const alone = (sessionId: string): readonly Statement[] => (isShared ? [{ sql: ALONE, values: [sessionId] }] : [])
  return {
    async keep(sessionId, events, lifetimeMs, bounds) {
      if (events.length === 0) return
      await database.writeAll([...alone(sessionId), ...keepStatements(sessionId, events, lifetimeMs), { sql: TRIM, values: [sessionId, bounds.events, bounds.bytes] }])
    },
    async replace(sessionId, epoch, events, lifetimeMs) {
      const seen = [sessionId, epoch]
      const [held] = await database.writeAll([{ sql: isShared ? HOLD_ALONE : HOLD, values: seen }, { sql: DROP_HELD, values: seen }, ...keepStatements(sessionId, events, lifetimeMs, epoch)])
      return held?.length === 1
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
      await database.write(isShared ? DROP_ALONE : DROP, [sessionId])
    },
  }
}

/** With `epoch` only where the session still has it. */
function keepStatements(sessionId: string, events: readonly KeptEvent[], lifetimeMs: number, epoch?: number): readonly Statement[] {
  const chunks = Array.from({ length: Math.ceil(events.length / CHUNK) }, (_, at) => events.slice(at * CHUNK, (at + 1) * CHUNK))
  return chunks.map((chunk) => keepStatement(sessionId, chunk, lifetimeMs, epoch))
}

/** What stands there already is looked at once for all: asked for each event, 1,000 of them took seconds, and a drain lost its session. */
function keepStatement(sessionId: string, events: readonly KeptEvent[], lifetimeMs: number, epoch?: number): Statement {
  const rows = events.map((_, index) => {
    const first = 3 + index * 4
    return `($${first}, $${first + 1}, $${first + 2}, $${first + 3}, ${index + 1})`
  })
  const values: SqlValue[] = [sessionId, Math.ceil(lifetimeMs)]
  for (const { eventId, streamId, text, isFinal } of events) values.push(eventId, streamId, text, isFinal ? 1 : 0)
  const condition = epoch === undefined ? 'true' : isHeld(`$${values.push(epoch)}`)
  // Without WHERE, SQLite takes ON for the condition of a join.
  const sql = `
    INSERT INTO portolan_event (session_id, event_id, stream_id, body, is_final, ordinal, expires_at_ms)
    SELECT $1, column1, column2, column3, CAST(column4 AS BIGINT), newest + column5, portolan_now_ms() + $2
    FROM (VALUES ${rows.join(', ')}) AS event CROSS JOIN (${NEWEST}) AS kept
    WHERE ${condition} ON CONFLICT (session_id, event_id) DO NOTHING`
  return { sql, values }
}
