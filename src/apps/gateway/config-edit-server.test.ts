import { describe, expect, it } from 'vitest'
import { addServer, enableServer, removeServer, renameServer } from './config-edit-server.ts'
import type { AddServer, Edited } from './config-edit-server.ts'
import { readConfig } from './config.ts'

const stdio = { target: { command: 'npx', args: ['-y', 'x'], env: { A: 'b', TOKEN: undefined }, cwd: undefined }, disabled: false }
const http = { target: { url: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }, disabled: false }
const plain = { target: { command: 'x', args: [], env: {}, cwd: undefined }, disabled: false }
const added = (text: string, more: Partial<AddServer> = {}): Edited => addServer(text, { name: 'new', server: stdio, options: {}, force: false, ...more })

function textOf(edited: Edited): string {
  if (!edited.ok) throw new Error(JSON.stringify(edited.fault))
  return edited.value.text
}

function faultOf(edited: Edited): string {
  return edited.ok ? '' : edited.fault.map(({ path, problem, fix }) => `${path}: ${problem}. ${fix}`).join('\n')
}

describe('a server that is added', () => {
  it('to no file makes one', () => {
    expect(textOf(added(''))).toBe(`{
  "mcpServers": {
    "new": {
      "command": "npx",
      "args": ["-y", "x"],
      "env": { "A": "b", "TOKEN": "env:TOKEN" }
    }
  }
}
`.replace('{ "A": "b", "TOKEN": "env:TOKEN" }', '{\n        "A": "b",\n        "TOKEN": "env:TOKEN"\n      }'))
  })

  const entryIn = (file: unknown, server: AddServer['server'] = stdio): unknown => {
    const text = textOf(added(JSON.stringify(file), { server }))
    const read = readConfig(text)
    if (!read.ok) throw new Error(JSON.stringify(read.fault))
    expect(read.value.servers.map(({ key }) => key)).toContain('new')
    const find = (value: unknown): unknown => {
      if (typeof value !== 'object' || value === null) return undefined
      if (Array.isArray(value)) return value.find((item) => item?.name === 'new')
      return Object.hasOwn(value, 'new') ? (value as Record<string, unknown>)['new'] : Object.values(value).map(find).find((found) => found !== undefined)
    }
    return find(JSON.parse(text))
  }

  it.each([
    ['Claude Code', { mcpServers: { a: { command: 'y' } } }, stdio, { command: 'npx', args: ['-y', 'x'], env: { A: 'b', TOKEN: '${TOKEN}' } }],
    ['Claude Code, typed', { mcpServers: { a: { type: 'stdio', command: 'y' } } }, plain, { type: 'stdio', command: 'x' }],
    ['VS Code', { servers: {}, inputs: [] }, stdio, { type: 'stdio', command: 'npx', args: ['-y', 'x'], env: { A: 'b', TOKEN: '${env:TOKEN}' } }],
    ['VS Code settings', { mcp: { servers: {} } }, http, { type: 'http', url: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }],
    ['Zed', { context_servers: { a: { command: 'y', args: [] } } }, plain, { command: 'x' }],
    ['OpenCode', { mcp: { a: { type: 'local', command: ['y'] } } }, stdio, { type: 'local', command: ['npx', '-y', 'x'], environment: { A: 'b', TOKEN: '{env:TOKEN}' } }],
    ['OpenCode, disabled', { mcp: { a: { type: 'local', command: ['y'] } } }, { ...http, disabled: true }, { type: 'remote', url: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' }, enabled: false }],
    ['Crush', { mcp: { a: { type: 'stdio', command: 'y' } } }, plain, { type: 'stdio', command: 'x' }],
    ['Windsurf', { mcpServers: { a: { serverUrl: 'https://b.example' } } }, http, { serverUrl: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }],
    ['Gemini CLI', { mcpServers: { a: { httpUrl: 'https://b.example' } } }, http, { httpUrl: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }],
    ['Cline', { mcpServers: { a: { type: 'streamableHttp', url: 'https://b.example' } } }, http, { type: 'streamableHttp', url: 'https://a.example/mcp', headers: { Authorization: 'Bearer ${TOKEN}' } }],
    ['Continue', { mcpServers: [{ name: 'a', command: 'y' }] }, plain, { name: 'new', command: 'x' }],
    ['a Copilot project file', { a: { command: 'y' } }, { ...plain, disabled: true }, { command: 'x', disabled: true }],
    ['Copilot in JetBrains', { servers: { a: { url: 'https://b.example', requestInit: { headers: { A: 'b' } } } } }, http, { type: 'http', url: 'https://a.example/mcp', requestInit: { headers: { Authorization: 'Bearer ${TOKEN}' } } }],
    ['Amp', { 'amp.mcpServers': { a: { command: 'y' } } }, plain, { command: 'x' }],
  ])('is written as %s writes it', (_client, file, server, entry) => {
    expect(entryIn(file, server)).toEqual(entry)
  })

  it('has its options in the object of Portolan, which is made where it is missing', () => {
    const text = textOf(added('{\n  "mcpServers": {}\n}\n', { server: plain, options: { era: 'legacy', share: 'session' } }))
    expect(JSON.parse(text)).toEqual({ mcpServers: { new: { command: 'x' } }, portolan: { version: 1, servers: { new: { era: 'legacy', share: 'session' } } } })
  })

  it('is refused where one has its name, and replaces it where that is said, keeping what only clients understand', () => {
    const text = '{ "mcpServers": { "new": { /* mine */ "url": "https://b.example", "autoApprove": ["x"] } } }'
    expect(faultOf(added(text))).toBe('mcpServers.new: there is a server of this name already. Give --force to replace it, or another name')
    const after = textOf(added(text, { server: plain, force: true }))
    expect(after).toContain('/* mine */')
    expect(JSON.parse(after.replace('/* mine */', ''))).toEqual({ mcpServers: { new: { autoApprove: ['x'], command: 'x' } } })
  })

  it.each([
    ['mcp', /reserved name/],
    ['FILES', /also that of mcpServers\.files/],
    ['!!', /no letter or digit/],
  ])('is refused under the name %s', (name, reason) => {
    expect(faultOf(added('{ "mcpServers": { "files": { "command": "x" } } }', { name }))).toMatch(reason)
  })

  it('says under which name it is served where that is another', () => {
    expect(added('', { name: '@a/b' })).toMatchObject({ value: { notes: ['it is served as "a-b": its name must fit into a URL'] } })
  })

  it('does not mind problems that were there before, but a file that cannot be read', () => {
    expect(added('{ "mcpServers": { "a": {} }, "portolan": { "version": 1, "x": 1 } }').ok).toBe(true)
    expect(faultOf(added('{ "mcpServers": '))).toMatch(/^line 1, column 17: expected a value/)
    expect(faultOf(added('[]'))).toMatch(/not a JSON object/)
  })
})

describe('a server that is removed', () => {
  it('takes its options with it, and nothing else', () => {
    const text = '{\n  "mcpServers": {\n    "a": { "command": "x" }, // a\n    "b": { "command": "y" }\n  },\n  "portolan": { "version": 1, "servers": { "b": { "era": "legacy" } } }\n}\n'
    expect(textOf(removeServer(text, 'b'))).toBe('{\n  "mcpServers": {\n    "a": { "command": "x" } // a\n  },\n  "portolan": { "version": 1, "servers": {} }\n}\n')
  })

  it('may be the last, the only broken one, and known by its name as served', () => {
    expect(textOf(removeServer('{ "mcpServers": { "@a/b": { "command": "x" } } }', 'a-b'))).toBe('{ "mcpServers": {} }')
    expect(textOf(removeServer('{ "a": { "command": "x" } }', 'a'))).toBe('{}')
  })

  it('that is not there is refused with what was perhaps meant', () => {
    const text = '{ "mcpServers": { "files": { "command": "x" }, "b": { "command": "y" } } }'
    expect(faultOf(removeServer(text, 'flies'))).toBe('flies: no server has this name. Did you mean files?')
    expect(faultOf(removeServer(text, 'something'))).toBe('something: no server has this name. There are: files, b')
  })
})

describe('a server that is disabled', () => {
  it.each([
    '{ "mcpServers": { "a": { "command": "x" } } }',
    '{\n  "mcp": {\n    "a": { "type": "local", "command": ["x"], "enabled": true } // c\n  }\n}',
    '{\n  "mcpServers": {\n    "a": {\n      "command": "x", // why\n    },\n  },\n}',
  ])('and enabled again leaves the file as it was: %s', (text) => {
    const off = textOf(enableServer(text, 'a', false))
    const read = readConfig(off)
    expect(read.ok && read.value.servers[0]?.enabled).toBe(false)
    expect(textOf(enableServer(off, 'a', true))).toBe(text)
  })

  it('is enabled wherever it is said that it is not', () => {
    const text = '{ "mcpServers": { "a": { "command": "x", "disabled": true, "enabled": false } }, "portolan": { "version": 1, "servers": { "a": { "enabled": false } } } }'
    const read = readConfig(textOf(enableServer(text, 'a', true)))
    expect(read.ok && read.value.servers[0]).toMatchObject({ enabled: true, options: { enabled: true } })
  })
})

describe('a server that is renamed', () => {
  it('keeps its place, its comments, its options and its id', () => {
    const text = '{\n  "mcpServers": {\n    "a": { "command": "x" }, // a\n    "b": { "command": "y" }\n  },\n  "portolan": { "version": 1, "servers": { "a": { "era": "legacy" } } }\n}\n'
    const after = textOf(renameServer(text, 'a', 'c'))
    expect(after).toBe(text.replace('"a": { "command"', '"c": { "command"').replace('"a": { "era": "legacy" }', '"c": { "era": "legacy", "id": "a" }'))
    expect(textOf(renameServer(after, 'c', 'd'))).toContain('"id": "a"')
  })

  it('is renamed in the virtual servers that use it', () => {
    const view = (name: string): string => `"portolan": { "version": 1, "virtualServers": { "v": { "use": [{ "server": "${name}" }], "tools": { "${name}/read": { "hide": true } } } }`
    const text = `{ "mcpServers": { "a": { "command": "x" } }, ${view('a')} } }`
    const after = textOf(renameServer(text, 'a', 'b'))
    expect(after).toBe(`{ "mcpServers": { "b": { "command": "x" } }, ${view('b')}, "servers": { "b": { "id": "a" } } } }`)
    expect(faultOf(removeServer(text, 'a'))).toMatch(/portolan\.virtualServers\.v\.use\[0\]\.server: no server has this name/)
  })

  it('in a list gets another "name"', () => {
    expect(JSON.parse(textOf(renameServer('{ "mcpServers": [{ "name": "a", "command": "x" }] }', 'a', 'b')))).toEqual({
      mcpServers: [{ name: 'b', command: 'x' }], portolan: { version: 1, servers: { b: { id: 'a' } } },
    })
  })

  it('is refused the name of another', () => {
    expect(faultOf(renameServer('{ "mcpServers": { "a": { "command": "x" }, "b": { "command": "y" } } }', 'a', 'b'))).toMatch(/there is a server named b already/)
  })
})

describe('a server that is added and removed again', () => {
  const a = { command: 'x', args: ['1', '2'] }
  const files: Readonly<Record<string, unknown>> = {
    mcpServers: { mcpServers: { a }, other: 1 },
    'VS Code': { inputs: [], servers: { a: { type: 'stdio', ...a } } },
    'VS Code settings': { 'editor.tabSize': 2, mcp: { servers: { a } } },
    Zed: { context_servers: { a }, theme: 'One' },
    OpenCode: { mcp: { a: { type: 'local', command: ['x'] } } },
    Amp: { 'amp.mcpServers': { a } },
    Continue: { mcpServers: [{ name: 'a', ...a }] },
    'a Copilot project file': { a },
    'with settings': { mcpServers: { a }, portolan: { version: 1, servers: { a: { era: 'legacy' } } } },
  }
  const hands: Readonly<Record<string, (text: string) => string>> = {
    'two spaces': (text) => text,
    tabs: (text) => text.replace(/^ +/gm, (indent) => '\t'.repeat(indent.length / 2)),
    'CRLF and a byte order mark': (text) => `\ufeff${text.replaceAll('\n', '\r\n')}`,
    'one line': (text) => JSON.stringify(JSON.parse(text)),
    'trailing commas': (text) => text.replace(/(?<=["\]}\d])\n/g, ',\n').replace(/,\n$/, '\n'),
    'a comment behind every line': (text) => text.replaceAll('\n', ' // why\n'),
    'a comment before every line': (text) => text.replaceAll('\n', '\n/* so */ '),
  }
  const cases = Object.entries(files).flatMap(([client, file]) => Object.entries(hands).map(([hand, write]) => [client, hand, write(`${JSON.stringify(file, null, 2)}\n`)] as const))

  it.each(cases)('leaves the file of %s with %s as it was', (_client, _hand, text) => {
    for (const server of [stdio, http, plain]) {
      const after = textOf(added(text, { server, options: text.includes('"portolan"') ? { share: 'session' } : {} }))
      expect(after).not.toBe(text)
      expect(textOf(removeServer(after, 'new'))).toBe(text)
    }
  })
})
