import { describe, expect, it } from 'vitest'
import { RESERVED_NAMES } from './config-name.ts'
import { readConfig } from './config.ts'
import type { Config } from './config.ts'

function config(value: unknown): Config {
  const read = readConfig(typeof value === 'string' ? value : JSON.stringify(value))
  if (!read.ok) throw new Error(JSON.stringify(read.fault, null, 2))
  return read.value
}

function problems(value: unknown): string[] {
  const read = readConfig(typeof value === 'string' ? value : JSON.stringify(value))
  return read.ok ? [] : read.fault.map(({ path, problem, fix }) => `${path}: ${problem}. ${fix}`)
}

const stdio = (command: string, args: string[] = []) => ({ transport: 'stdio', command, args, env: {}, envFile: undefined, cwd: undefined })
const http = (url: string, headers = {}) => ({ transport: 'http', url, headers })
const files = { command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '/srv'] }

describe('a client\'s own file', () => {
  const cases: readonly (readonly [client: string, file: unknown, target: unknown])[] = [
    ['Claude Desktop', { mcpServers: { files }, globalShortcut: 'Alt+Space' }, stdio('npx', files.args)],
    ['Claude Code', { mcpServers: { files: { type: 'http', url: 'https://a.example/mcp', headers: { A: 'b' }, timeout: 5 } } }, http('https://a.example/mcp', { A: 'b' })],
    ['Cursor', { mcpServers: { files: { url: 'https://a.example/mcp' } } }, http('https://a.example/mcp')],
    ['VS Code mcp.json', { servers: { files: { type: 'stdio', ...files } }, inputs: [] }, stdio('npx', files.args)],
    ['VS Code settings.json', { mcp: { servers: { files } }, 'editor.tabSize': 2 }, stdio('npx', files.args)],
    ['Windsurf', { mcpServers: { files: { serverUrl: 'https://a.example/mcp' } } }, http('https://a.example/mcp')],
    ['Cline', { mcpServers: { files: { type: 'streamableHttp', url: 'https://a.example/mcp', autoApprove: [] } } }, http('https://a.example/mcp')],
    ['Roo Code', { mcpServers: { files: { type: 'streamable-http', url: 'https://a.example/mcp' } } }, http('https://a.example/mcp')],
    ['Gemini CLI', { mcpServers: { files: { httpUrl: 'https://a.example/mcp', trust: true } }, mcp: { allowed: ['files'] } }, http('https://a.example/mcp')],
    ['Zed', { context_servers: { files: { source: 'custom', ...files } }, theme: 'One' }, stdio('npx', files.args)],
    ['OpenCode', { mcp: { files: { type: 'local', command: ['npx', ...files.args], environment: {} } } }, stdio('npx', files.args)],
    ['Crush', { mcp: { files: { type: 'stdio', ...files } } }, stdio('npx', files.args)],
    ['Amp', { 'amp.mcpServers': { files } }, stdio('npx', files.args)],
    ['Continue', { mcpServers: [{ name: 'files', ...files }] }, stdio('npx', files.args)],
    ['a Copilot project file', { files }, stdio('npx', files.args)],
    ['Copilot in JetBrains', { servers: { files: { url: 'https://a.example/mcp', requestInit: { headers: { A: 'b' } } } } }, http('https://a.example/mcp', { A: 'b' })],
    ['Kimi Code', { mcpServers: { files: { transport: 'stdio', ...files } } }, stdio('npx', files.args)],
    [
      'fx',
      { mcp: { files: { type: 'http', url: 'https://a.example/mcp', bearer_token_env: 'TOKEN', header_env: { 'X-Team': 'TEAM' } } } },
      http('https://a.example/mcp', { Authorization: 'Bearer ${env:TOKEN}', 'X-Team': 'env:TEAM' }),
    ],
  ]
  it.each(cases)('of %s works unchanged', (_client, file, target) => {
    const { servers } = config(file)
    expect(servers.map(({ name }) => name)).toEqual(['files'])
    expect(servers[0]?.target).toEqual(target)
  })

  it('may hold comments, trailing commas and a byte order mark', () => {
    const { servers } = config('\ufeff// mine\n{ "mcpServers": { /* one */ "a": { "command": "b // c", "args": ["x",], }, } }\n')
    expect(servers[0]?.target).toEqual(stdio('b // c', ['x']))
  })

  it('keeps the order of its servers', () => {
    expect(config({ mcpServers: { z: files, a: files, m: files } }).servers.map(({ name }) => name)).toEqual(['z', 'a', 'm'])
  })

  it('turns servers off as clients do', () => {
    const { servers } = config({ mcpServers: { a: { ...files, disabled: true }, b: { ...files, enabled: false }, c: files } })
    expect(servers.map(({ enabled }) => enabled)).toEqual([false, false, true])
  })

  it('serves a name that does not fit into a URL under one that does, and says so', () => {
    const { servers, notices } = config({ mcpServers: { '@scope/My Server!': files } })
    expect(servers[0]?.name).toBe('scope-My-Server')
    expect(notices.join()).toContain('served as "scope-My-Server"')
  })
})

describe('what is wrong', () => {
  it('is reported all at once, each by path and with what to do', () => {
    const found = problems({
      mcpServers: { a: {}, b: { command: 7 }, c: { url: 'https://x', args: [] }, d: { command: 'x', env: { K: {} } }, e: 1, f: { type: 'carrier-pigeon' } },
      portolan: { version: 2, listen: { prot: 1, port: 70_000 }, limits: { bodyBytes: 0 }, auth: 'yes', servers: { aa: {} } },
    })
    expect(found).toEqual([
      'portolan.version: not one of the possible values. Write 1',
      'portolan.listen.port: too large. The most is 65535',
      'portolan.listen.prot: no such setting. Did you mean port?',
      'portolan.auth: not one of the possible values. Write "token" or "none"',
      'portolan.limits.bodyBytes: too small. Write 1 or more',
      'mcpServers.a: neither a command nor a URL. Add "command" for a program, or "url" for an HTTP server',
      'mcpServers.b.command: not a text, or an empty one. Write a text in double quotes',
      'mcpServers.d["env.K"]: not a text. Write a text in double quotes',
      'mcpServers.e: not an object. Write { "command": … } or { "url": … }',
      'mcpServers.f.type: an unknown kind of server. Write "stdio" or "http", or leave it out',
    ])
  })

  it('names options for a server that is not there', () => {
    expect(problems({ mcpServers: { files }, portolan: { version: 1, servers: { flies: {} } } })).toEqual([
      'portolan.servers.flies: no server has this name. Did you mean files?',
    ])
  })

  it('is a version that is missing', () => {
    expect(problems({ mcpServers: {}, portolan: {} })).toEqual(['portolan.version: missing. Write 1'])
  })

  it('is the same name twice in one object', () => {
    expect(problems('{"mcpServers":{"a":{"command":"x"},"a":{"command":"y"}}}')).toEqual([
      'mcpServers.a: the same name is given twice. Remove one of them, or rename it',
    ])
  })

  it('is two names that are served alike', () => {
    expect(problems({ mcpServers: { 'a b': files, 'a-b': files } })).toEqual([
      'mcpServers.a-b: its name, as served ("a-b"), is also that of mcpServers["a b"]. Rename one of them',
    ])
    expect(problems({ mcpServers: { a: files, A: files } })).toHaveLength(1)
  })

  it.each(RESERVED_NAMES)('is the reserved name %s, in upper case too', (name) => {
    expect(problems({ mcpServers: { [name]: files } }).join()).toContain('is a reserved name')
    const upper = name.replace('.', '').toUpperCase()
    expect(problems({ mcpServers: { [upper]: files } }).join().includes('is a reserved name')).toBe(!name.startsWith('.'))
  })

  it('is an id that two servers share', () => {
    const ids = { version: 1, servers: { b: { id: 'a' } } }
    expect(problems({ mcpServers: { a: files, b: files }, portolan: ids }).join()).toContain('mcpServers.a has the same id')
  })

  it('is JSON that breaks, by line and column', () => {
    expect(problems('{\n  "mcpServers": {\n    "a": }\n')).toEqual(['line 3, column 10: expected a value, found "}". Mend the JSON there'])
    expect(problems('')).toEqual(['line 1, column 1: expected a value, found the end of the file. Mend the JSON there'])
    expect(problems('{ /* ')).toEqual(['line 1, column 3: this comment never ends. Mend the JSON there'])
    expect(problems(`${'['.repeat(10_000)}`).join()).toContain('nested deeper')
    expect(problems('"text"').join()).toContain('not a JSON object')
    expect(problems('{"a":"x\u0001"}').join()).toContain('not closed')
  })

  it('is a file without servers, with a guess at what was meant', () => {
    expect(problems({})).toEqual(['the file: it names no servers. Add "mcpServers": { "name": { "command": … } }'])
    expect(problems({ mcpservers: { files } })).toEqual(['mcpservers: no client keeps its servers under this name. Did you mean mcpServers?'])
  })
})

describe('a value that nearly is a reference', () => {
  it('is told by its path, not by itself', () => {
    const { notices } = config({ mcpServers: { a: { command: 'x', env: { A: 'env:MY-VAR', B: 'env:B' } }, b: { url: 'https://b.example', headers: { 'X-Key': 'file:~/key' } } } })
    expect(notices).toEqual([
      'mcpServers.a.env.A is no reference, and is sent as it is written: the name of a variable has letters, digits and _, and does not begin with a digit',
      'mcpServers.b.headers.X-Key is no reference, and is sent as it is written: write the whole path, from /',
    ])
  })
})
