import { execFile } from 'node:child_process'
import { globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { createReader, isShown } from '../document-runner.ts'
import { fencesOf, readDocument, rowsBelow, userDocuments } from '../document.ts'
import { callModern, startPortolan, stopPortolan } from '../portolan-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const FOLLOW_MS = 240_000

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-documents-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Those that a reader can follow from top to bottom. What is typed into a terminal is test/e2e/tutorial.test.ts. */
const followed = userDocuments().filter((path) => {
  const marks = new Set(fencesOf(readDocument(path)).map(({ mark }) => mark))
  return (marks.has('run') || marks.has('background')) && !marks.has('terminal')
})

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

describe('what a document shows', () => {
  it('is all that was printed, but for log messages of a server: they come when they come', () => {
    const log = 'everything everything-server info: Roots updated: 0 root(s) received from client\n'
    for (const printed of ['The sum is 5.\n', `${log}The sum is 5.\n`, `The sum is 5.\n${log}`, `one warning: x\nThe sum is 5.\n${log}`]) expect(isShown('The sum is 5.', printed), printed).toBe(true)
    for (const printed of [log, 'The sum is 5.\nA word too many\n', 'The sum is 6.\n', `The sum is ${log}5.\n`]) expect(isShown('The sum is 5.', printed), printed).toBe(false)
    expect(isShown('…\neverything everything-server info: Roots …\nThe sum is 5.', `${log}The sum is 5.\n`)).toBe(true)
  })
})

/** Commands that only hold others. */
const GROUPS = new Set(['config', 'key', 'state', 'task', 'operator'])

describe('docs/reference/command-line.md', () => {
  const portolan = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    const env = { ...process.env, XDG_DATA_HOME: folder }
    try {
      return { code: 0, stdout: (await promisify(execFile)(process.execPath, [CLI_MAIN, ...args], { cwd: folder, env, timeout: 60_000 })).stdout }
    } catch (error) {
      return { code: error instanceof Error && 'code' in error ? Number(error.code) : -1, stdout: '' }
    }
  }
  const help = async (...command: string[]): Promise<string> => (await portolan(...command, '--help')).stdout
  const commandsIn = (text: string): string[] => [...text.matchAll(/^ {2}(\w+)(?: \[(?:options|command)\])?(?: [<[][^ ]*)* {2,}/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]))
  const flagsIn = (text: string): string[] => [...new Set([...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].flatMap(([, flag = '']) => (flag === '--help' ? [] : [flag])))]

  it('has every command with every flag, and no others', { timeout: FOLLOW_MS }, async () => {
    const sections = readDocument('docs/reference/command-line.md').split(/^## /m).slice(1).filter((section) => section.startsWith('`portolan '))
    const written = sections.map((section): [string, string[]] => [/^`portolan ([^`]+)`/.exec(section)?.[1] ?? '', [...section.matchAll(/^\| `(--[\w-]+)`/gm)].map(([, flag = '']) => flag)])
    const all = await Promise.all(commandsIn(await help()).map(async (name) => (GROUPS.has(name) ? commandsIn(await help(name)).map((one) => `${name} ${one}`) : [name])))
    const commands = all.flat()
    expect(commands.length).toBeGreaterThan(4)
    const flags = new Map<string, string[]>()
    // A few at a time: each is a process of its own.
    for (let index = 0; index < commands.length; index += 4) {
      await Promise.all(commands.slice(index, index + 4).map(async (name) => flags.set(name, flagsIn(await help(...name.split(' '))))))
    }
    expect(new Map(written)).toEqual(flags)
  })

  it('says with which codes commands end', { timeout: FOLLOW_MS }, async () => {
    const codes = rowsBelow(readDocument('docs/reference/command-line.md'), 'Exit codes').slice(1).map(([code = '']) => Number(code))
    writeFileSync(join(folder, 'bad.json'), '{ "mcpServers": { "mcp": {} } }')
    const ends = await Promise.all([['version'], ['status'], ['config', 'check', '--config', 'bad.json'], ['no-such-command'], ['up', '--port', 'many']].map((args) => portolan(...args)))
    expect(ends.map(({ code }) => code)).toEqual([0, 1, 2, 2, 2])
    expect(codes).toEqual(expect.arrayContaining([0, 1, 2]))
  })
})

describe('docs/reference/metrics-and-ledger.md', () => {
  const rows = (title: string): string[][] => rowsBelow(readDocument('docs/reference/metrics-and-ledger.md'), title).slice(1)
  const spans = (cell = ''): string[] => [...cell.matchAll(/`(\w+)`/g)].map(([, name = '']) => name)

  it('has the metrics and fields that a gateway gives, their kinds and labels, and no others', async () => {
    const data = join(folder, 'data')
    const portolan = await startPortolan(data)
    await callModern(`${portolan.baseUrl}/reference/mcp`, portolan.token, 'tools/list')
    const metrics = await get(join(data, 'operations.sock'), '/metrics')
    await stopPortolan(portolan)
    const given = [...metrics.matchAll(/^# TYPE (\w+) (\w+)\n\w+(?:\{(.*)\})? /gm)].map(([, name = '', kind = '', labels = '']) =>
      [name, kind, ...[...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label).filter((label) => label !== 'le')].join(' '))
    const told = rows('Metrics').map(([name, kind = '', labels]) => [...spans(name), kind, ...spans(labels)].join(' '))
    expect(told).toEqual(expect.arrayContaining(given))
    // What one process without tasks has nothing to say about: the sources have it.
    const sources = globSync('src/{core,adapters,apps}/**/*.ts', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8')).join('\n')
    const absent = told.filter((row) => !given.includes(row)).map((row) => row.split(' ')[0]?.replace('portolan_', '') ?? '')
    expect(absent.filter((name) => !sources.includes(name))).toEqual([])
    const [line = '{}'] = readFileSync(join(data, 'ledger.jsonl'), 'utf8').split('\n')
    expect(Object.keys(JSON.parse(line))).toEqual(rows('Ledger').flatMap(([name]) => spans(name)))
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
