/** Tasks that Portolan owns, and what is left of those that have expired. */

import type { Migration } from '../migration.ts'

export const TASK: Migration = {
  version: 2,
  oldestCode: 1,
  durable: [
    `CREATE TABLE portolan_task (
      id TEXT PRIMARY KEY,
      owner_key TEXT NOT NULL,
      idem_key TEXT,
      idem_digest TEXT,
      origin TEXT NOT NULL,
      phase TEXT NOT NULL,
      is_over BIGINT NOT NULL,
      version BIGINT NOT NULL,
      epoch BIGINT NOT NULL,
      holder TEXT NOT NULL,
      lease_until_ms BIGINT NOT NULL,
      run_at_ms BIGINT NOT NULL,
      due_at_ms BIGINT,
      is_dispatched BIGINT NOT NULL,
      created_at_ms BIGINT NOT NULL,
      updated_at_ms BIGINT NOT NULL,
      deadline_at_ms BIGINT NOT NULL,
      expires_at_ms BIGINT NOT NULL,
      attempts BIGINT NOT NULL,
      is_resuming BIGINT NOT NULL,
      held_bytes BIGINT NOT NULL,
      progress TEXT NOT NULL,
      result TEXT NOT NULL
    )`,
    `CREATE INDEX portolan_task_due ON portolan_task (due_at_ms) WHERE due_at_ms IS NOT NULL`,
    `CREATE INDEX portolan_task_deadline ON portolan_task (deadline_at_ms) WHERE is_over = 0`,
    `CREATE INDEX portolan_task_expiry ON portolan_task (expires_at_ms) WHERE is_over = 1`,
    `CREATE INDEX portolan_task_owner ON portolan_task (owner_key, created_at_ms, id)`,
    `CREATE INDEX portolan_task_age ON portolan_task (created_at_ms, id)`,
    `CREATE INDEX portolan_task_waiting ON portolan_task (phase) WHERE phase IN ('queued', 'running', 'asking', 'dead')`,
    `CREATE UNIQUE INDEX portolan_task_key ON portolan_task (owner_key, idem_key) WHERE idem_key IS NOT NULL`,
    `CREATE TABLE portolan_task_tombstone (id TEXT PRIMARY KEY, owner_key TEXT NOT NULL, expired_at_ms BIGINT NOT NULL, until_ms BIGINT NOT NULL)`,
    `CREATE INDEX portolan_task_tombstone_until ON portolan_task_tombstone (until_ms)`,
  ],
  cache: [],
}
