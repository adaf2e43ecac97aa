/** Looks at the state of a data folder without changing it: whether its files are whole, and of which schema. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { SCHEMA_VERSION } from '../sql/migration.ts'
import type { SchemaVersion } from '../sql/migration.ts'
import { SQLITE_FILES } from './database.ts'

export interface InspectedFile {
  readonly path: string
  /** Undefined where it is not there, or empty. */
  readonly schema: SchemaVersion | undefined
  /** What SQLite says of a file that is damaged, or that it cannot read; '' where it is well. */
  readonly fault: string
}

/** Never throws. */
export function inspectSqlite(folder: string): readonly InspectedFile[] {
  return Object.values(SQLITE_FILES).map((name) => inspectFile(join(folder, name)))
}

function inspectFile(path: string): InspectedFile {
  if (!existsSync(path)) return { path, schema: undefined, fault: '' }
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: 2_000 })
    const [check] = database.prepare('PRAGMA quick_check(1)').all()
    const verdict = String(check?.['quick_check'] ?? 'nothing')
    if (verdict !== 'ok') return { path, schema: undefined, fault: verdict }
    const hasSchema = database.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'portolan_schema'`).all().length > 0
    const [row] = hasSchema ? database.prepare(SCHEMA_VERSION).all() : []
    return { path, schema: row === undefined ? undefined : { version: Number(row['version']), oldestCode: Number(row['oldest_code']) }, fault: '' }
  } catch (error) {
    return { path, schema: undefined, fault: error instanceof Error ? error.message : String(error) }
  } finally {
    database?.close()
  }
}
