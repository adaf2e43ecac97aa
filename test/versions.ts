/**
 * Later versions of Portolan, made of this one: the source, with what releases change between them. The first expands: it reads the next
 * formats, writes the former ones, and adds to tables and messages what this version has never heard of. The second writes the next formats.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { MIGRATIONS } from '../src/adapters/sql/migrations/migrations.ts'
import { compile } from './services/compile.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const NUMBER = MIGRATIONS.length + 1

const MIGRATION = `import type { Migration } from '../migration.ts'

export const LATER: Migration = {
  version: ${NUMBER},
  oldestCode: ${MIGRATIONS.length},
  durable: [
    'CREATE TABLE portolan_later (id TEXT PRIMARY KEY)',
    'ALTER TABLE portolan_task ADD COLUMN later TEXT',
    'ALTER TABLE portolan_key ADD COLUMN later BIGINT NOT NULL DEFAULT 7',
  ],
  cache: [
    "ALTER TABLE portolan_session ADD COLUMN later TEXT NOT NULL DEFAULT 'x'",
    'ALTER TABLE portolan_event ADD COLUMN later TEXT',
    'ALTER TABLE portolan_replica ADD COLUMN later TEXT',
  ],
}
`

type Edit = readonly [path: string, text: RegExp, becomes: string]

/** Each is found once at least, or the version is none. */
const EXPANDS: readonly Edit[] = [
  ['package.json', /"version": "[^"]+"/, '"version": "99.1.0"'],
  ['src/adapters/sql/migrations/migrations.ts', /\]\s*$/, ', LATER]\n'],
  ['src/adapters/sql/migrations/migrations.ts', /^import/m, "import { LATER } from './later.ts'\nimport"],
  ['src/core/format.ts', /reads: \[1\]/g, 'reads: [1, 2]'],
  ['src/adapters/sql/session-store.ts', /JSON\.stringify\(session\)/g, "JSON.stringify({ later: ['x'], ...session })"],
  ['src/adapters/peer-tls/peer-client.ts', /\{ v: FORMATS\.peer\.writes,/, '{ v: FORMATS.peer.writes, later: 1,'],
  ['src/core/replica/exchange-frames.ts', /format: FORMATS\.exchange\.writes,/, 'format: FORMATS.exchange.writes, later: {},'],
  ['src/core/event/hint-text.ts', /\{ v: FORMATS\.hint\.writes,/, '{ v: FORMATS.hint.writes, later: [],'],
  ['src/core/replica/news.ts', /asciiJson\(\{ number,/, 'asciiJson({ later: true, number,'],
]
const WRITES_NEXT: readonly Edit[] = [
  ['package.json', /"version": "[^"]+"/, '"version": "99.2.0"'],
  ['src/core/format.ts', /writes: 1/g, 'writes: 2'],
]

export interface Versions {
  /** The script to start. */
  readonly next: string
  readonly afterNext: string
  remove(): void
}

export async function makeVersions(): Promise<Versions> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-versions-'))
  const make = async (name: string, edits: readonly Edit[]): Promise<string> => {
    const root = join(folder, name)
    for (const part of ['src', 'package.json']) cpSync(join(ROOT, part), join(root, part), { recursive: true, filter: (path) => !path.endsWith('.test.ts') })
    symlinkSync(join(ROOT, 'node_modules'), join(root, 'node_modules'))
    writeFileSync(join(root, 'src/adapters/sql/migrations/later.ts'), MIGRATION)
    for (const [path, text, becomes] of edits) edit(join(root, path), text, becomes)
    return join(await compile(root), 'apps/cli/main.js')
  }
  const [next, afterNext] = await Promise.all([make('next', EXPANDS), make('after-next', [...EXPANDS, ...WRITES_NEXT])])
  return {
    next,
    afterNext,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}

function edit(path: string, text: RegExp, becomes: string): void {
  const before = readFileSync(path, 'utf8')
  const after = before.replace(text, becomes)
  if (after === before) throw new Error(`${path}: nothing like ${text} any more: say in ${dirname(import.meta.url)}/versions.ts how a later version changes it`)
  writeFileSync(path, after)
}
