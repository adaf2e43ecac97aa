import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createReader } from '../document-runner.ts'
import { fencesOf, readDocument, rowsBelow, userDocuments } from '../document.ts'
import { callModern, startPortolan, stopPortolan } from '../portolan-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'src/apps/cli/main.ts')
const FOLLOW_MS = 240_000

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-documents-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Those that a reader can follow from top to bottom. What is typed into a terminal has tests of its own. */
const followed = userDocuments().filter((path) => fencesOf(readDocument(path)).some(({ mark }) => mark === 'run' || mark === 'background'))

describe('what the documents tell to run', () => {
  it.each(followed)('works as %s has it, and prints what it shows', { timeout: FOLLOW_MS }, async (path) => {
    const reader = await createReader()
    try {
      expect(await reader.follow(fencesOf(readDocument(path)))).toEqual([])
    } finally {
      await reader.close()
    }
  })

  it('is there at all', () => {
    expect(followed).toEqual(expect.arrayContaining(['README.md', 'docs/how-to/add-a-server.md', 'docs/how-to/debug.md']))
  })

  it('is what the package has', () => {
    const { scripts } = JSON.parse(readDocument('package.json'))
    expect(scripts).toMatchObject({ start: 'node scripts/run.mjs src/apps/cli/main.ts up', portolan: 'node scripts/run.mjs src/apps/cli/main.ts' })
  })
})

describe('docs/reference/command-line.md', () => {
  const help = (...command: string[]): string => spawnSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8', timeout: 20_000 }).stdout
  const commandsIn = (text: string): string[] => [...text.matchAll(/^ {2}(\w+)(?: [[<][^\]>]*[\]>])* {2,}/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]))
  const flagsIn = (text: string): string[] => [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].flatMap(([, flag = '']) => (flag === '--help' ? [] : [flag]))

  it('has every command with every flag, and no others', () => {
    const sections = readDocument('docs/reference/command-line.md').split(/^## /m).slice(1)
    const written = sections.map((section) => [/^`portolan ([^`]+)`/.exec(section)?.[1] ?? '', [...section.matchAll(/^\| `(--[\w-]+)`/gm)].map(([, flag]) => flag)])
    const commands = commandsIn(help()).flatMap((name) => (name === 'config' ? commandsIn(help('config')).map((one) => `config ${one}`) : [name]))
    expect(commands.length).toBeGreaterThan(4)
    expect(new Map(written as [string, string[]][])).toEqual(new Map(commands.map((name) => [name, flagsIn(help(...name.split(' ')))])))
  })
})

describe('docs/reference/metrics-and-ledger.md', () => {
  const rows = (title: string): string[] => {
    const cells = rowsBelow(readDocument('docs/reference/metrics-and-ledger.md'), title).map(([cell = '']) => cell)
    return cells.flatMap((cell) => (cell.startsWith('`') ? [cell.replaceAll('`', '')] : []))
  }

  it('has the metrics and fields that a gateway gives, and no others', async () => {
    const data = join(folder, 'data')
    const portolan = await startPortolan(data)
    await callModern(`${portolan.baseUrl}/reference/mcp`, portolan.token, 'tools/list')
    const metrics = await get(join(data, 'operations.sock'), '/metrics')
    await stopPortolan(portolan)
    expect([...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name).sort()).toEqual(rows('Metrics').sort())
    const [line = '{}'] = readFileSync(join(data, 'ledger.jsonl'), 'utf8').split('\n')
    expect(Object.keys(JSON.parse(line))).toEqual(rows('Ledger'))
  })
})

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(text))
    })
    asked.on('error', reject)
    asked.end()
  })
}
