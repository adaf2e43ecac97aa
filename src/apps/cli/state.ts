/** `portolan state`: the database behind Portolan as a whole. */

import { request } from 'node:http'
import { copyFileSync, existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Command } from 'commander'
import type { StateDatabases } from '../../adapters/sql/sql-database.ts'
import { dataOption } from './option.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'

interface CopyOptions {
  readonly from?: string
  readonly to: string
  readonly data?: string
  readonly json?: boolean
}

const NOTES = `
Places are a data folder, a URL of PostgreSQL, or env:NAME or file:/path with one of these. Stop Portolan before, and start it with the
new place afterwards. The source stays as it is; the target has to be empty, and a copy that fails takes back what it brought.
Where one was killed, make the target anew: until a copy is whole, nothing serves from it.
`

export function stateCommand(): Command {
  const command = new Command('state').description('the database that keeps sessions and keys')
  command
    .command('copy')
    .description('take the state to another database, from SQLite to PostgreSQL for one')
    .option('--from <place>', 'where it is (default: the data folder)')
    .requiredOption('--to <place>', 'where it goes: an empty database')
    .addOption(dataOption())
    .option('--json', 'print how many rows of each table were copied, as JSON')
    .addHelpText('after', NOTES)
    .action(copy)
  command
    .command('backup')
    .description('copy state and token of the data folder to a folder, also while Portolan runs')
    .requiredOption('--to <folder>', 'a new or empty folder')
    .addOption(dataOption())
    .addHelpText('after', BACKUP_NOTES)
    .action(backup)
  return command
}

const BACKUP_NOTES = `
To restore, stop Portolan, put the files in place of those of the data folder, without any -wal and -shm beside them, and start it. State in
PostgreSQL is backed up with its own tools: pg_dump, or a base backup with its log.
`

async function backup({ data, to }: Pick<CopyOptions, 'data' | 'to'>): Promise<void> {
  const { backupSqlite } = await import('../../adapters/sqlite/backup.ts')
  const [folder, target] = [resolve(data ?? defaultDataPath(process.env)), resolve(to)]
  backupSqlite(folder, target)
  for (const name of ['token', 'operators', 'key-ring.json']) if (existsSync(join(folder, name))) copyFileSync(join(folder, name), join(target, name))
  process.stdout.write(`Copied the state of ${folder} to ${target}. It holds the token and the keys: let nobody else read it.\n`)
}

async function copy(options: CopyOptions): Promise<void> {
  const [from, to] = [await placeOf('--from', options.from ?? options.data ?? defaultDataPath(process.env)), await placeOf('--to', options.to)]
  if (!from.isUrl && !existsSync(join(from.text, 'state.db'))) throw new Error(`There is no state in ${from.text}: portolan up makes it at its first start. Say where it is with --from.`)
  for (const { isUrl, text } of [from, to]) if (!isUrl && (await isServed(text))) throw new Error(`Portolan runs on the data folder ${text}. Stop it, and copy again.`)
  const { copyState } = await import('../../adapters/sql/state-copy.ts')
  const opened: StateDatabases[] = []
  try {
    for (const place of [from, to]) opened.push(await open(place))
    const [source, target] = opened
    if (source === undefined || target === undefined) return
    const copied = await copyState(source, target, (table, rows, total) => void (total > 0 && process.stderr.write(`${table}: ${rows} of ${total}\n`)))
    const sum = copied.reduce((all, { rows }) => all + rows, 0)
    process.stdout.write(options.json === true ? `${JSON.stringify({ from: source.name, to: target.name, tables: copied })}\n` : `Copied ${sum} rows from ${source.name} to ${target.name}.\n`)
  } finally {
    for (const databases of opened) await databases.close()
  }
}

interface Place {
  readonly text: string
  readonly isUrl: boolean
}

async function placeOf(flag: string, given: string): Promise<Place> {
  const { isPostgresUrl } = await import('../gateway/state-place.ts')
  const { textOf } = await import('../gateway/flag-text.ts')
  const text = textOf(flag, given, process.env)
  return isPostgresUrl(text) ? { text, isUrl: true } : { text: resolve(text), isUrl: false }
}

async function open({ text, isUrl }: Place): Promise<StateDatabases> {
  const { PATIENT, openDatabases } = await import('../gateway/state-place.ts')
  // A table of millions of rows is counted, and 8 MB may go over a slow line.
  return openDatabases({ databaseUrl: isUrl ? text : '' }, text, undefined, PATIENT)
}

/** Whether a Portolan answers on the folder's operations socket. */
function isServed(folder: string): Promise<boolean> {
  return new Promise((accept) => {
    const asked = request({ socketPath: join(folder, 'operations.sock'), path: '/status', timeout: 2_000 }, (response) => {
      response.resume()
      accept(true)
    })
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => accept(false))
    asked.end()
  })
}
