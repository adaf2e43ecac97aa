import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { fencesOf, readDocument, userDocuments } from '../document.ts'
import { startPortolan, stopPortolan } from '../portolan-process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface ClientFormat {
  readonly page: string
  /** Where servers stand in its file. */
  readonly key: string
  /** All members that an entry may have; each with the value that it must have, where there is only one. */
  readonly http: Readonly<Record<string, unknown>> | undefined
  readonly stdio: Readonly<Record<string, unknown>>
  /** Its files, which the page has to name. */
  readonly files: readonly string[]
  /** How it says hello. */
  readonly hello: { readonly protocolVersion: string; readonly capabilities: object; readonly clientInfo: { readonly name: string; readonly version: string } }
}

const ANY = expect.anything()

/** What each client's own documents say of its file (November 2026). */
const CLIENTS: Readonly<Record<string, ClientFormat>> = {
  'claude-code': {
    page: 'docs/clients/claude-code.md',
    key: 'mcpServers',
    http: { type: 'http', url: ANY, headers: ANY },
    stdio: { command: ANY, args: ANY },
    files: ['~/.claude.json', '.mcp.json', '$CLAUDE_CONFIG_DIR'],
    hello: { protocolVersion: '2025-11-25', capabilities: { roots: {}, elicitation: {} }, clientInfo: { name: 'claude-code', version: '2.1.303' } },
  },
  'claude-desktop': {
    page: 'docs/clients/claude-desktop.md',
    key: 'mcpServers',
    http: undefined,
    stdio: { command: ANY, args: ANY, env: ANY },
    files: ['~/Library/Application Support/Claude/claude_desktop_config.json', '%APPDATA%\\Claude\\claude_desktop_config.json', '~/.config/Claude/claude_desktop_config.json'],
    hello: { protocolVersion: '2025-06-18', capabilities: {}, clientInfo: { name: 'claude-ai', version: '0.1.0' } },
  },
  vscode: {
    page: 'docs/clients/vs-code.md',
    key: 'servers',
    http: { type: 'http', url: ANY, headers: ANY },
    stdio: { type: 'stdio', command: ANY, args: ANY },
    files: ['.vscode/mcp.json', '~/.config/Code/User/mcp.json', '~/Library/Application Support/Code/User/mcp.json', '%APPDATA%\\Code\\User\\mcp.json'],
    hello: { protocolVersion: '2025-11-25', capabilities: { roots: { listChanged: true }, sampling: {}, elicitation: { form: {}, url: {} } }, clientInfo: { name: 'Visual Studio Code', version: '1.140.0' } },
  },
  cursor: {
    page: 'docs/clients/cursor.md',
    key: 'mcpServers',
    http: { url: ANY, headers: ANY },
    stdio: { command: ANY, args: ANY },
    files: ['~/.cursor/mcp.json', '.cursor/mcp.json'],
    hello: { protocolVersion: '2025-06-18', capabilities: { roots: { listChanged: false }, elicitation: {} }, clientInfo: { name: 'cursor-vscode', version: '1.0.0' } },
  },
  codex: {
    page: 'docs/clients/codex.md',
    key: 'mcp_servers',
    http: { url: ANY, bearer_token_env_var: 'PORTOLAN_TOKEN' },
    stdio: { command: 'portolan', args: ANY, startup_timeout_sec: ANY },
    files: ['~/.codex/config.toml', '.codex/config.toml', '$CODEX_HOME'],
    hello: { protocolVersion: '2025-06-18', capabilities: { elicitation: {} }, clientInfo: { name: 'codex-mcp-client', version: '0.159.3' } },
  },
}

type Entry = Readonly<Record<string, unknown>>

/** The entry named `portolan` of a page's snippet; undefined where the page has none of this kind. */
function entryOf(client: string, kind: 'http' | 'stdio'): Entry | undefined {
  const format = CLIENTS[client]
  const fence = fencesOf(readDocument(format?.page ?? '')).find(({ mark }) => mark === `client=${client} entry=${kind}`)
  if (fence === undefined) return undefined
  const file: unknown = fence.language === 'toml' ? parseToml(fence.text) : JSON.parse(fence.text)
  return memberOf(memberOf(file, format?.key ?? ''), 'portolan')
}

function memberOf(value: unknown, key: string): Entry | undefined {
  const found: unknown = typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, key)?.value : undefined
  return typeof found === 'object' && found !== null ? { ...found } : undefined
}

/** As much of TOML as the pages use: tables with dotted names, and values that JSON writes in the same way. */
function parseToml(text: string): unknown {
  const file: Record<string, Record<string, Record<string, unknown>>> = {}
  let table: Record<string, unknown> | undefined
  for (const line of text.split('\n')) {
    const [, outer, inner] = /^\[(\w+)\.(\w+)\]$/.exec(line) ?? []
    const [, key, value] = /^(\w+) = (.+)$/.exec(line) ?? []
    if (outer !== undefined && inner !== undefined) table = (file[outer] ??= {})[inner] ??= {}
    else if (key !== undefined && table !== undefined) table[key] = JSON.parse(value ?? '')
    else if (line !== '') throw new Error(`no TOML that is understood here: ${line}`)
  }
  return file
}

/** Headers as the client sends them, once it has put the token where its file refers to it. */
function headersOf(entry: Entry, token: string): Record<string, string> {
  const given = entry['headers']
  const written = typeof given === 'object' && given !== null ? Object.entries(given) : [['Authorization', `Bearer \${${String(entry['bearer_token_env_var'])}}`]]
  return Object.fromEntries(written.map(([name, value]) => [name, String(value).replace(/\$\{(env:)?PORTOLAN_TOKEN\}|\$\{input:portolan-token\}/, token)]))
}

const hello = (client: string): object => ({ jsonrpc: '2.0', id: 0, method: 'initialize', params: CLIENTS[client]?.hello })

const started: ChildProcess[] = []
let folder = ''
let portolan: Awaited<ReturnType<typeof startPortolan>> | undefined
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-clients-'))
  const memory = join(root, 'node_modules/@modelcontextprotocol/server-memory/dist/index.js')
  const env = { MEMORY_FILE_PATH: join(folder, 'memory.json') }
  writeFileSync(join(folder, 'portolan.json'), JSON.stringify({ mcpServers: { memory: { command: process.execPath, args: [memory], env } } }))
  portolan = await startPortolan(join(folder, 'data'), ['--config', join(folder, 'portolan.json')])
})
afterEach(() => {
  for (const child of started.splice(0)) child.kill()
})
afterAll(async () => {
  if (portolan !== undefined) await stopPortolan(portolan)
  rmSync(folder, { recursive: true, force: true })
})

describe.each(Object.keys(CLIENTS))('the page for %s', (client) => {
  const format = CLIENTS[client]

  it('writes entries in the client\'s own form, and says where its files are', () => {
    expect(entryOf(client, 'stdio')).toEqual(format?.stdio)
    expect(entryOf(client, 'http')).toEqual(format?.http)
    const page = readDocument(format?.page ?? '')
    expect(format?.files.filter((file) => !page.includes(`\`${file}\``))).toEqual([])
  })

  it.runIf(format?.http !== undefined)('has an entry over HTTP that a gateway lets in, and not without its header', async () => {
    const entry = entryOf(client, 'http') ?? {}
    const url = String(entry['url']).replace('http://127.0.0.1:7400', portolan?.baseUrl ?? '')
    const ask = (headers: Record<string, string>) =>
      fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', accept: 'application/json, text/event-stream', ...headers }, body: JSON.stringify(hello(client)) })
    expect((await ask({})).status).toBe(401)
    const answer = await ask(headersOf(entry, portolan?.token ?? ''))
    expect(answer.status).toBe(200)
    expect(await answer.text()).toContain('"serverInfo":{"name":"portolan"')
  })

  it('has an entry that starts a gateway, which answers as the client asks', async () => {
    const { command, args, env } = entryOf(client, 'stdio') ?? {}
    expect(String(command)).toMatch(/(^|\/)portolan$/)
    const given = Array.isArray(args) ? args.map((arg) => String(arg).replace('/path/to', folder)) : []
    const own = typeof env === 'object' && env !== null ? Object.fromEntries(Object.entries(env).map(([name, value]) => [name, String(value)])) : process.env
    const child = spawn(process.execPath, [CLI_MAIN, ...given], { cwd: '/', env: { ...own, HOME: folder }, stdio: ['pipe', 'pipe', 'inherit'] })
    const closed = new Promise((resolve) => child.once('close', resolve))
    started.push(child)
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    const say = (message: object): void => void child.stdin.write(`${JSON.stringify(message)}\n`)
    say(hello(client))
    expect(JSON.parse(await answerTo(lines, 0))).toMatchObject({ id: 0, result: { protocolVersion: format?.hello.protocolVersion, serverInfo: { name: 'portolan' } } })
    say({ jsonrpc: '2.0', method: 'notifications/initialized' })
    say({ jsonrpc: '2.0', id: 1, method: 'tools/list' })
    const tools = await answerTo(lines, 1)
    expect(tools).toContain('"name":"memory__create_entities"')
    child.stdin.end()
    expect(await closed).toBe(0)
  })
})

/** The line that answers this request; others come between. */
async function answerTo(lines: AsyncIterator<string>, id: number): Promise<string> {
  for (;;) {
    const { value, done } = await lines.next()
    if (done === true) return '{}'
    if (value.includes(`"id":${id},`) || value.endsWith(`"id":${id}}`)) return value
  }
}

describe('the pages for clients', () => {
  it('are each known here', () => {
    expect(userDocuments().filter((path) => path.startsWith('docs/clients/'))).toEqual(Object.values(CLIENTS).map(({ page }) => page).sort())
  })
})
