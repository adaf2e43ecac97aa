import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { describe, expect, it } from 'vitest'
import { until } from './fixtures/upstream/support.ts'
import { findPostgres } from './services/postgres.ts'

const postgres = await findPostgres()

describe.skipIf(postgres === undefined)('the throw-away PostgreSQL', () => {
  it('is 15 or newer, and gives each who asks an empty database', async () => {
    const urls = await Promise.all([postgres?.newDatabase(), postgres?.newDatabase()])
    expect(new Set(urls).size).toBe(2)
    for (const connectionString of urls) {
      const client = new Client({ connectionString: connectionString ?? '' })
      await client.connect()
      const { rows } = await client.query(`SELECT current_setting('server_version_num')::int AS version, (SELECT count(*)::int FROM pg_tables WHERE schemaname = 'public') AS tables`)
      await client.end()
      expect(rows[0]).toEqual({ version: expect.any(Number), tables: 0 })
      expect(rows[0].version).toBeGreaterThanOrEqual(150_000)
    }
  })
})

describe('a process that is kept', () => {
  it('ends with whoever started it, even by SIGKILL, and its folder goes with it', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'portolan-kept-'))
    const module = new URL('./services/kept-process.ts', import.meta.url).href
    const script = `const { startKept } = await import(${JSON.stringify(module)})
      startKept({ command: '/bin/sh', args: ['-c', 'echo $$ > started; exec sleep 600'], folder: ${JSON.stringify(folder)}, signal: 'KILL' })
      setInterval(() => undefined, 1e6)`
    const parent = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: 'inherit' })
    await until(() => existsSync(join(folder, 'started')))
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    await until(() => !existsSync(folder))
  })
})
