/** The key ring that all replicas share. */

import type { KeyStore, NewKey, StoredKey } from '../../core/auth/key-store.ts'
import { fail, ok } from '../../protocol/result.ts'
import { numberOf, textOf } from './sql-database.ts'
import type { SqlDatabase, SqlRow, Statement } from './sql-database.ts'

const LIST = 'SELECT id, secret, added_at_ms, activated_at_ms, activation, portolan_now_ms() - added_at_ms AS age_ms FROM portolan_key'
const FIND = 'SELECT activation FROM portolan_key WHERE id = $1'

/** Of several that seed at once, all but one wait here until that one is done, and then see its keys. */
const BEGIN_SEED = `INSERT INTO portolan_once (name) VALUES ('key_seed') ON CONFLICT (name) DO NOTHING`

const ADD = `
  INSERT INTO portolan_key (id, secret, added_at_ms) VALUES ($1, $2, portolan_now_ms())
  ON CONFLICT (id) DO NOTHING`

const REPLACE_SECRET = 'UPDATE portolan_key SET secret = $3 WHERE id = $1 AND secret = $2 RETURNING id'

const ACTIVATE = `
  UPDATE portolan_key SET activated_at_ms = portolan_now_ms(), activation = (SELECT COALESCE(MAX(activation), 0) + 1 FROM portolan_key)
  WHERE id = $1 AND activation IS NULL
  RETURNING id`

const RETIRE = `
  DELETE FROM portolan_key
  WHERE id = $1 AND (activation IS NULL OR activation < (SELECT MAX(activation) FROM portolan_key))
  RETURNING id`

export function createKeyStore(database: SqlDatabase): KeyStore {
  const isKnown = async (id: string): Promise<boolean> => (await database.read(FIND, [id])).length > 0
  return {
    async list() {
      const rows = await database.read(LIST, [])
      return rows.toSorted(bySealing).map(keyOf)
    },
    async seed(keys) {
      const [, inserted] = await database.writeAll([{ sql: BEGIN_SEED, values: [] }, seedStatement(keys)])
      return inserted !== undefined && inserted.length > 0
    },
    async add({ id, secret }) {
      await database.write(ADD, [id, secret])
    },
    replaceSecret: async ({ id, secret }, next) => (await database.write(REPLACE_SECRET, [id, secret, next])).length > 0,
    async activate(id) {
      if ((await database.write(ACTIVATE, [id])).length > 0) return ok(undefined)
      return fail({ reason: (await isKnown(id)) ? 'activated' : 'unknown' })
    },
    async retire(id) {
      if ((await database.write(RETIRE, [id])).length > 0) return ok(undefined)
      return fail({ reason: (await isKnown(id)) ? 'sealing' : 'unknown' })
    },
  }
}

function seedStatement(keys: readonly NewKey[]): Statement {
  const rows = keys.map(
    (_, index) =>
      `SELECT $${index * 2 + 1}, $${index * 2 + 2}, portolan_now_ms(), portolan_now_ms(), ${index + 1} WHERE NOT EXISTS (SELECT 1 FROM portolan_key)`,
  )
  const sql = `INSERT INTO portolan_key (id, secret, added_at_ms, activated_at_ms, activation) ${rows.join(' UNION ALL ')} RETURNING id`
  return { sql, values: keys.flatMap(({ id, secret }) => [id, secret]) }
}

/** Those that wait first, the one that was activated last at the end. */
function bySealing(left: SqlRow, right: SqlRow): number {
  return numberOf(left, 'activation') - numberOf(right, 'activation') || (textOf(left, 'id') < textOf(right, 'id') ? -1 : 1)
}

function keyOf(row: SqlRow): StoredKey {
  return {
    id: textOf(row, 'id'),
    secret: textOf(row, 'secret'),
    addedAtMs: numberOf(row, 'added_at_ms'),
    activatedAtMs: row['activated_at_ms'] === null ? undefined : numberOf(row, 'activated_at_ms'),
    ageMs: numberOf(row, 'age_ms'),
  }
}
