import { spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { callModern, startPortolan, stopPortolan } from '../portolan-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'src/apps/cli/main.ts')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

let folder = ''
const background: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-documents-'))
})
afterEach(async () => {
  for (const child of background.splice(0)) {
    const closed = new Promise((resolve) => child.once('close', resolve))
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM')
    await closed
  }
  rmSync(folder, { recursive: true, force: true })
})

interface Block {
  /** `file`: JSON to be written to `name`; `run`: ends by itself; `background`: until the document ends. */
  readonly kind: 'file' | 'run' | 'background'
  readonly name: string
  readonly text: string
}

/** What a document marks as runnable: fences that begin with `sh run`, `sh background` or `json file=…`. */
function blocksOf(document: string): Block[] {
  return [...document.matchAll(/^```(?:sh (run|background)|json file=(\S+))\n([\s\S]*?)^```$/gm)].map(([, kind, name = '', text = '']) => ({
    kind: kind === 'run' || kind === 'background' ? kind : 'file',
    name,
    text,
  }))
}

/** The commands of a reader who has Portolan installed or stands in a clone; `npx` starts what the lock file has. */
function preamble(): string {
  return [
    'set -e',
    `portolan() { "${process.execPath}" "${main}" "$@"; }`,
    'npm() { if [ "$1" = start ]; then shift; [ "$1" != -- ] || shift; portolan up "$@"; else shift 4; portolan "$@"; fi; }',
    '',
  ].join('\n')
}

function writeNpx(): string {
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  const names = ['everything', 'filesystem', 'memory'].map((name) => `*server-${name}) shift 2; exec "${root}/node_modules/.bin/mcp-server-${name}" "$@";;`)
  writeFileSync(join(bin, 'npx'), `#!/bin/sh\ncase "$2" in\n${names.join('\n')}\nesac\nexit 1\n`)
  chmodSync(join(bin, 'npx'), 0o755)
  return bin
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })
}

async function startInBackground(script: string, options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }): Promise<void> {
  const child = spawn('/bin/bash', ['-c', script], { ...options, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
  background.push(child)
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      said += chunk.toString('utf8')
      if (said.includes('Ctrl+C stops it')) resolve()
    }
    child.stdout.on('data', look)
    child.stderr.on('data', look)
    child.on('close', (code) => reject(new Error(`ended with ${String(code)}: ${said}`)))
  })
}

/** Runs a document from top to bottom in a folder of its own; resolves with what its commands printed. */
async function follow(path: string): Promise<string> {
  const port = await freePort()
  const env = { ...process.env, PATH: `${writeNpx()}:${process.env['PATH'] ?? ''}`, HOME: folder, XDG_DATA_HOME: join(folder, 'data') }
  mkdirSync(join(folder, 'files'))
  let printed = ''
  for (const { kind, name, text } of blocksOf(read(path))) {
    const here = text.replaceAll('7400', String(port)).replaceAll('/srv/files', join(folder, 'files'))
    if (kind === 'file') writeFileSync(join(folder, name), here)
    else if (kind === 'background') await startInBackground(`${preamble()}${here.trimEnd()} ${here.startsWith('npm') ? '-- ' : ''}--port ${port}`, { cwd: folder, env })
    else {
      const { status, stdout, stderr } = spawnSync('/bin/bash', ['-c', `${preamble()}${here}`], { cwd: folder, env, encoding: 'utf8', timeout: 30_000 })
      expect(status, `${text}${stdout}${stderr}`).toBe(0)
      printed += stdout
    }
  }
  return printed
}

describe('what the documents tell to run', () => {
  it.each([
    ['README.md', /portolan\.json is good: 3 servers[\s\S]*^everything +stdio +(starting|ready)/m],
    ['docs/how-to/add-a-server.md', /is good: 1 server[\s\S]*^memory +stdio/m],
    ['docs/how-to/debug.md', /"serverInfo":\{"name":"portolan"/],
    ['docs/how-to/run-behind-nginx.md', /is good: 1 server/],
  ])('works as %s has it', async (path, outcome) => {
    expect(await follow(path)).toMatch(outcome)
  })

  it('is run by the test above, wherever it is', () => {
    const documents = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.md'))
    const runnable = ['README.md', ...documents.map((path) => `docs/${path}`)].filter((path) => blocksOf(read(path)).some(({ kind }) => kind !== 'file'))
    expect(runnable.sort()).toEqual(['README.md', 'docs/how-to/add-a-server.md', 'docs/how-to/debug.md'].concat('docs/how-to/run-behind-nginx.md').sort())
  })

  it('is what the package has', () => {
    const { scripts } = JSON.parse(read('package.json'))
    expect(scripts).toMatchObject({ start: 'node scripts/run.mjs src/apps/cli/main.ts up', portolan: 'node scripts/run.mjs src/apps/cli/main.ts' })
  })
})

describe('docs/reference/command-line.md', () => {
  const help = (...command: string[]): string => spawnSync(process.execPath, [main, ...command, '--help'], { encoding: 'utf8', timeout: 20_000 }).stdout
  const commandsIn = (text: string): string[] => [...text.matchAll(/^ {2}(\w+)(?: \[(?:options|command)\])? {2,}/gm)].flatMap(([, name = '']) => (name === 'help' ? [] : [name]))
  const flagsIn = (text: string): string[] => [...text.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm)].flatMap(([, flag = '']) => (flag === '--help' ? [] : [flag]))

  it('has every command with every flag, and no others', () => {
    const sections = read('docs/reference/command-line.md').split(/^## /m).slice(1)
    const written = sections.map((section) => [/^`portolan ([^`]+)`/.exec(section)?.[1] ?? '', [...section.matchAll(/^\| `(--[\w-]+)`/gm)].map(([, flag]) => flag)])
    const commands = commandsIn(help()).flatMap((name) => (name === 'config' ? commandsIn(help('config')).map((one) => `config ${one}`) : [name]))
    expect(commands.length).toBeGreaterThan(4)
    expect(new Map(written as [string, string[]][])).toEqual(new Map(commands.map((name) => [name, flagsIn(help(...name.split(' ')))])))
  })
})

describe('docs/reference/metrics-and-ledger.md', () => {
  const rows = (title: string): string[] => {
    const section = read('docs/reference/metrics-and-ledger.md').split(`## ${title}\n`)[1]?.split('\n## ')[0] ?? ''
    return [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name ?? '')
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
