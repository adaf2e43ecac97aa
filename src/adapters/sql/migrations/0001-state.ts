/** Sessions and their events, replicas and leases, keys, things used once, the configuration, and what servers are. */

import type { Migration } from '../migration.ts'

export const STATE: Migration = {
  version: 1,
  oldestCode: 1,
  durable: [
    `CREATE TABLE portolan_once (name TEXT PRIMARY KEY)`,
    `CREATE TABLE portolan_key (
      id TEXT PRIMARY KEY,
      secret TEXT NOT NULL,
      added_at_ms BIGINT NOT NULL,
      activated_at_ms BIGINT,
      activation BIGINT
    )`,
    `CREATE TABLE portolan_replay (used_key TEXT PRIMARY KEY, expires_at_ms BIGINT NOT NULL)`,
    `CREATE INDEX portolan_replay_expiry ON portolan_replay (expires_at_ms)`,
    `CREATE TABLE portolan_lease (name TEXT PRIMARY KEY, holder TEXT, epoch BIGINT NOT NULL, expires_at_ms BIGINT NOT NULL)`,
    `CREATE TABLE portolan_snapshot (slot BIGINT PRIMARY KEY, digest TEXT NOT NULL, body TEXT NOT NULL, revision BIGINT NOT NULL)`,
  ],
  cache: [
    `CREATE TABLE portolan_session (
      id TEXT PRIMARY KEY,
      owner_key TEXT NOT NULL,
      body TEXT NOT NULL,
      owner TEXT,
      epoch BIGINT NOT NULL DEFAULT 0,
      version BIGINT NOT NULL DEFAULT 1,
      expires_at_ms BIGINT NOT NULL
    )`,
    `CREATE INDEX portolan_session_owner ON portolan_session (owner_key, expires_at_ms)`,
    `CREATE INDEX portolan_session_expiry ON portolan_session (expires_at_ms)`,
    `CREATE TABLE portolan_event (
      session_id TEXT NOT NULL,
      event_id TEXT NOT NULL,
      stream_id TEXT NOT NULL,
      body TEXT NOT NULL,
      is_final BIGINT NOT NULL,
      ordinal BIGINT NOT NULL,
      expires_at_ms BIGINT NOT NULL,
      PRIMARY KEY (session_id, event_id)
    )`,
    `CREATE INDEX portolan_event_expiry ON portolan_event (expires_at_ms)`,
    `CREATE TABLE portolan_replica (id TEXT PRIMARY KEY, address TEXT NOT NULL, version TEXT NOT NULL, expires_at_ms BIGINT NOT NULL)`,
    `CREATE TABLE portolan_era (upstream_key TEXT PRIMARY KEY, profile TEXT NOT NULL, expires_at_ms BIGINT NOT NULL)`,
  ],
}
