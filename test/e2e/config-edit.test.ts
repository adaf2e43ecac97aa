import { lstatSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'

const modules = fileURLToPath(new URL('../../node_modules/', import.meta.url))
const memory = ['--', process.execPath, join(modules, '@modelcontextprotocol/server-memory/dist/index.js')]
const everything = ['--', process.execPath, join(modules, '@modelcontextprotocol/server-everything/dist/index.js'), 'stdio']

let folder = ''
let file = ''
let data = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-config-edit-'))
  file = join(folder, 'portolan.json')
  data = join(folder, 'data')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

interface Done {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

async function portolan(...args: readonly string[]): Promise<Done> {
  const run = runPortolan(args, { cwd: folder })
  const { code } = await run.exited
  return { code, out: run.stdout(), err: run.stderr() }
}

/** With a file that other commands look at too; options stand before `--`. */
function edit(command: string, name: string, ...args: readonly string[]): Promise<Done> {
  return portolan(command, name, '--data', data, ...args)
}

const text = (): string => readFileSync(file, 'utf8')

describe('portolan add', () => {
  it('makes the file, tries the server and says what it is', async () => {
    const done = await edit('add', 'memory', ...memory)
    expect(done).toMatchObject({ code: 0, out: expect.stringMatching(/^Added memory to portolan\.json\.\nmemory answers: .+, 9 tools, legacy \(2025-11-25\)\nNo Portolan runs with this file\. Start one with: portolan up --config portolan\.json\n$/) })
    expect(JSON.parse(text())).toEqual({ mcpServers: { memory: { command: process.execPath, args: memory.slice(2) } } })
    expect(readdirSync(folder)).toEqual(['portolan.json'])
  })

  it('says what it waits for, and ends with what it has started on Ctrl+C; with --check nothing is written then', async () => {
    const silent = ['--', process.execPath, '-e', `require('node:fs').writeFileSync(String(process.pid), ''); setInterval(() => 0, 1000)`]
    const kept = runPortolan(['add', 'slow', '--data', data, ...silent], { cwd: folder })
    const checked = runPortolan(['add', 'other', '--config', 'other.json', '--check', '--json', '--data', data, ...silent], { cwd: folder })
    for (const { child, stderr, name, signal } of [{ ...kept, name: 'slow', signal: 'SIGINT' }, { ...checked, name: 'other', signal: 'SIGTERM' }] as const) {
      await expect.poll(stderr, { timeout: 15_000 }).toContain(`Waiting for ${name} to start and to answer, 40 s at most; Ctrl+C ends it.\n`)
      child.kill(signal)
    }
    expect(await kept.exited).toEqual({ code: 130, signal: null })
    expect(kept.stderr()).toMatch(/The trial of slow was stopped\.\nslow stays in portolan\.json: mend it there/)
    expect(await checked.exited).toEqual({ code: 143, signal: null })
    expect(JSON.parse(checked.stdout())).toMatchObject({ action: 'add', name: 'other', isChanged: false, server: { ok: false, detail: 'the trial was stopped' } })
    const names = readdirSync(folder)
    const pids = names.filter((name) => /^\d+$/.test(name))
    expect(names.filter((name) => !pids.includes(name))).toEqual(['portolan.json'])
    expect(pids.length).toBeGreaterThanOrEqual(2)
    for (const pid of pids) expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH')
  }, 60_000)

  it('writes nothing with --check on Ctrl+C either where the server has answered, and takes its time to end', async () => {
    const server = join(folder, 'lingers.mjs')
    writeFileSync(server, LINGERING_SERVER)
    const checked = runPortolan(['add', 'lingers', '--check', '--data', data, '--', process.execPath, server], { cwd: folder })
    await expect.poll(() => readdirSync(folder), { timeout: 15_000 }).toContain('ends')
    checked.child.kill('SIGINT')
    expect(await checked.exited).toEqual({ code: 130, signal: null })
    expect(checked.stderr()).toContain('The trial of lingers was stopped.\nNothing was written.\n')
    expect(readdirSync(folder)).not.toContain('portolan.json')
  })

  it('keeps a server that does not answer, and says what to do; with --check it writes nothing and fails', async () => {
    const kept = await edit('add', 'a', '--', 'no-such-command-at-all', '--flag')
    expect(kept).toMatchObject({ code: 0, err: expect.stringMatching(/a does not answer: command not found: no-such-command-at-all\n {2}Install the program[^]*a stays in portolan\.json/) })
    const before = text()
    const refused = await edit('add', 'b', '--check', '--', 'no-such-command-at-all')
    expect(refused).toMatchObject({ code: 1, out: '', err: expect.stringContaining('Nothing was written') })
    expect(text()).toBe(before)
    const reference = await edit('add', 'c', '--env', 'NOT_SET_ANYWHERE', '--', 'x')
    expect(reference).toMatchObject({ code: 0, err: expect.stringMatching(/mcpServers\.c\.env\.NOT_SET_ANYWHERE: the environment variable NOT_SET_ANYWHERE is not set/) })
    expect(JSON.parse(text()).mcpServers.c.env).toEqual({ NOT_SET_ANYWHERE: '${NOT_SET_ANYWHERE}' })
  })

  it('refuses secrets in plain, wherever they stand, without repeating them', async () => {
    const key = ['sk', 'live', 'A1b2C3d4E5f6G7h8I9j0'].join('-')
    for (const args of [
      ['--env', `API_KEY=${key}`, '--', 'x'],
      ['--env', `ANY=${key}`, '--', 'x'],
      ['--', 'x', '--token', key],
      ['--', 'x', `--token=${key}`],
      ['--', 'x', `postgres://me:${key}@db/x`],
      [`https://me:${key}@a.example/mcp`],
      [`https://a.example/mcp?api_key=${key}`],
      ['https://a.example/mcp', '--header', `Authorization: Bearer ${key}`],
    ]) {
      const done = await edit('add', 'a', '--no-check', ...args)
      expect(done, args.join(' ')).toMatchObject({ code: 2, out: '', err: expect.stringMatching(/looks like a secret.*env:OTHER_NAME|looks like a secret.*\$\{file:\/path\}/) })
      expect(done.err).not.toContain(key)
    }
    expect(readdirSync(folder)).toEqual([])
    expect(await edit('add', 'a', '--no-check', '--plain-secrets', '--env', `API_KEY=${key}`, '--', 'x')).toMatchObject({ code: 0 })
    expect((await edit('add', 'b', '--dry-run', '--', 'y')).out).not.toContain(key)
  }, 60_000)

  it('says what is wrong with the command line, and with a name', async () => {
    expect(await edit('add', 'a')).toMatchObject({ code: 2, err: expect.stringContaining('portolan add a -- npx') })
    expect(await edit('add', 'mcp', '--no-check', '--', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('reserved name') })
    expect(await edit('add', 'a', '--env', 'B=c', 'https://a.example')).toMatchObject({ code: 2, err: expect.stringContaining('a URL takes no --env') })
    expect(await edit('add', 'a', '--no-check', 'https://a.example/mcp')).toMatchObject({ code: 0 })
    expect(await edit('add', 'a', '--no-check', '--', 'x')).toMatchObject({ code: 2, err: expect.stringContaining('Give --force to replace it') })
    expect(await edit('add', 'a', '--no-check', '--force', '--', 'x')).toMatchObject({ code: 0, out: expect.stringContaining('Replaced a in') })
    writeFileSync(file, '{ "mcpServers": ')
    expect(await edit('add', 'b', '--no-check', '--', 'x')).toMatchObject({ code: 2, err: expect.stringMatching(/line 1, column 17/) })
    expect(text()).toBe('{ "mcpServers": ')
  }, 30_000)

  it('tells all as JSON', async () => {
    const done = await edit('add', 'a', '--json', ...memory)
    expect(JSON.parse(done.out)).toMatchObject({ file: 'portolan.json', action: 'add', name: 'a', isNew: true, isChanged: true, server: { ok: true, toolCount: 9 }, running: { state: 'none' } })
    expect(JSON.parse((await edit('add', 'b', '--json', '--dry-run', '--', 'x')).out)).toMatchObject({ isChanged: true, diff: expect.stringContaining('+    "b": {') })
  })
})

describe('edits of a file', () => {
  const written = '\ufeff{\r\n\t// mine\r\n\t"mcpServers": {\r\n\t\t"a": { "command": "x" }, // a\r\n\t\t/* "off": {} */\r\n\t},\r\n}\r\n'

  it('leave every byte of others, through a link, and undo each other', async () => {
    writeFileSync(join(folder, 'real.json'), written)
    symlinkSync('real.json', file)
    expect(await edit('add', 'b', '--no-check', '--', 'y', '-z')).toMatchObject({ code: 0 })
    expect(text()).toBe(written.replace('// a\r\n', '// a\r\n\t\t"b": { "command": "y", "args": ["-z"] },\r\n'))
    expect(await edit('disable', 'b')).toMatchObject({ code: 0, out: expect.stringContaining('Disabled b in portolan.json.') })
    expect(text()).toContain('"args": ["-z"], "disabled": true }')
    expect(await edit('disable', 'b')).toMatchObject({ code: 0, out: expect.stringContaining('says so already') })
    expect(await edit('enable', 'b')).toMatchObject({ code: 0 })
    expect(await edit('remove', 'b')).toMatchObject({ code: 0 })
    expect(readFileSync(join(folder, 'real.json'), 'utf8')).toBe(written)
    expect(lstatSync(file).isSymbolicLink()).toBe(true)
    expect(await edit('remove', 'bb')).toMatchObject({ code: 2, err: expect.stringContaining('no server has this name') })
    expect(await portolan('remove', 'a', '--config', 'nope.json')).toMatchObject({ code: 2, err: expect.stringContaining('there is no such file') })
  }, 30_000)

  it('by several commands at once all count', async () => {
    writeFileSync(file, written)
    const names = Array.from({ length: 6 }, (_, index) => `s${index}`)
    const all = await Promise.all(names.map((name) => edit('add', name, '--no-check', '--', name)))
    expect(all.map(({ code, err }) => ({ code, err }))).toEqual(names.map(() => ({ code: 0, err: '' })))
    for (const name of names) expect(text()).toContain(`"${name}": { "command": "${name}" }`)
    expect(text()).toContain('// mine')
    expect(readdirSync(folder)).toEqual(['portolan.json'])
  }, 60_000)
})

describe('beside a running Portolan', () => {
  it('an edit says whether it is served, and diff what is not', async () => {
    await edit('add', 'memory', '--no-check', ...memory)
    const running = await startPortolan(data, ['--config', file])
    try {
      expect(await portolan('config', 'diff', '--data', data)).toMatchObject({ code: 0, out: expect.stringContaining('No difference') })
      expect(await edit('add', 'all', '--config', file, ...everything)).toMatchObject({ code: 0, out: expect.stringMatching(/all answers: .+ 13 tools.*\nThe running Portolan \(process \d+\) serves the file as it is now\.\n$/) })
      const other = join(folder, 'other.json')
      writeFileSync(other, text())
      expect(await edit('remove', 'all', '--config', other)).toMatchObject({ code: 0, out: expect.stringContaining('serves another file') })
      await edit('rename', 'memory', '--config', other, 'notes')
      const found = await portolan('config', 'diff', other, '--data', data)
      expect(found.code).toBe(1)
      expect(found.out).toMatch(/^- all is removed$/m)
      expect(found.out).toMatch(/^ {4}name: memory -> notes$/m)
      expect(found.out).toMatch(/^ {2}all is stopped \(now \d child process(?:es)?, \d sessions\); its calls in flight finish$/m)
      expect(JSON.parse((await portolan('config', 'diff', other, '--data', data, '--json')).out)).toMatchObject({ isSame: false, touched: { servers: [{ name: 'all', effect: 'stops' }] } })
      expect(await edit('disable', 'all')).toMatchObject({ code: 0, out: expect.stringContaining('serves the file as it is now') })
      expect(await edit('add', 'unset', '--no-check', '--env', 'NOT_SET_ANYWHERE', '--', 'x')).toMatchObject({
        code: 0, err: expect.stringMatching(/The running Portolan refused it and keeps the previous configuration:[^]*mcpServers\.unset\.env\.NOT_SET_ANYWHERE/),
      })
    } finally {
      await stopPortolan(running)
    }
    expect(await portolan('config', 'diff', '--data', data)).toMatchObject({ code: 2, err: expect.stringMatching(/No Portolan runs at .*Start one with: portolan up/) })
    expect(await portolan('config', 'diff', file, file)).toMatchObject({ code: 0 })
    expect(await portolan('config', 'diff', file, 'nope.json')).toMatchObject({ code: 2, err: expect.stringContaining('there is no such file') })
  }, 90_000)
})

describe('a secret in the file', () => {
  it('is printed by no command, and told by no socket', async () => {
    const secret = 'Zx81hunter2Qq'
    const entries = {
      env: { command: process.execPath, args: memory.slice(2), env: { API_KEY: secret, DEFAULTED: `\${NOPE:-${secret}}` } },
      args: { command: 'x', args: ['--api-key', secret, `--token=${secret}`, '--header', `Authorization: Bearer ${secret}`, `postgres://me:${secret}@db/x`], disabled: true },
      url: { url: `https://me:${secret}@a.example/mcp?key=${secret}#${secret}`, headers: { Authorization: `Bearer ${secret}`, 'X-Any': secret }, disabled: true },
    }
    const portolanPart = { version: 1, virtualServers: { v: { use: [{ server: 'env' }], tools: { read_graph: { arguments: { key: secret } } } } } }
    writeFileSync(file, JSON.stringify({ mcpServers: entries, portolan: portolanPart }, null, 2))
    const other = join(folder, 'other.json')
    writeFileSync(other, text().replaceAll(secret, `${secret}2`))
    const running = await startPortolan(data, ['--config', file])
    try {
      const said = [
        await portolan('config', 'check'),
        await portolan('config', 'print'),
        await portolan('config', 'print', '--resolved'),
        await portolan('config', 'diff', other, '--data', data),
        await portolan('config', 'diff', other, '--data', data, '--json'),
        await edit('add', 'more', '--dry-run', '--', 'y'),
        await edit('disable', 'env', '--dry-run'),
        await edit('add', 'args', '--force', '--no-check', '--dry-run', '--', 'y'),
      ]
      expect(said.map(({ code }) => code)).toEqual([0, 0, 0, 1, 1, 0, 0, 0])
      const told = [await get('/config'), await get('/status')]
      expect(JSON.stringify([said, told])).not.toContain(secret)
      expect(said[3]?.out).toMatch(/env\.API_KEY: changed \(hidden\)/)
      expect(told[0]).toContain('<hidden>')
    } finally {
      await stopPortolan(running)
    }
    expect(running.stderr() + running.stdout()).not.toContain(secret)
  }, 60_000)

  function get(path: string): Promise<string> {
    return new Promise((accept, reject) => {
      const asked = request({ socketPath: join(data, 'operations.sock'), path }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => accept(body))
      })
      asked.on('error', reject).end()
    })
  }
})

describe('portolan config', () => {
  it('tells references that lead nowhere by their path, with what to do', async () => {
    writeFileSync(file, JSON.stringify({ mcpServers: { a: { command: 'x', env: { A: 'vault:a', B: 'env:NOT_SET_ANYWHERE', C: 'file:/nope/nope' } }, b: { url: 'https://b.example', headers: { D: '${vault:d}' } } } }))
    const { code, err } = await portolan('config', 'check')
    expect(code).toBe(2)
    expect(err.trimEnd().split('\n')).toEqual([
      '4 problems in portolan.json:',
      '- mcpServers.a.env.A: vault:a refers to the vault, which this version does not have. Use env:NAME or file:/path until there is one',
      '- mcpServers.a.env.B: the environment variable NOT_SET_ANYWHERE is not set. Set NOT_SET_ANYWHERE where Portolan starts, or write ${NOT_SET_ANYWHERE:-default}',
      '- mcpServers.a.env.C: the file /nope/nope cannot be read (ENOENT). Create it, or let the user that runs Portolan read it',
      '- mcpServers.b.headers.D: ${vault:d} refers to the vault, which this version does not have. Use env:NAME or file:/path until there is one',
    ])
  })

  it('prints the schema that is committed, and which file is meant', async () => {
    const { out } = await portolan('config', 'schema')
    expect(out).toBe(readFileSync(new URL('../../docs/portolan.schema.json', import.meta.url), 'utf8'))
    expect(await portolan('config', 'path')).toMatchObject({ code: 1, err: expect.stringContaining('portolan add') })
    writeFileSync(file, '{ "$schema": "./portolan.schema.json", "mcpServers": {} }')
    expect((await portolan('config', 'path')).out.trim().endsWith('/portolan.json')).toBe(true)
    expect(await portolan('config', 'check')).toMatchObject({ code: 0 })
  })
})

/** Has answered all when it is told to end, and then does not. */
const LINGERING_SERVER = `
import { writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
let isAnswered = false
process.on('SIGTERM', () => undefined)
setInterval(() => undefined, 1000)
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method } = JSON.parse(line)
  const result = { initialize: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'lingers', version: '1' } }, 'tools/list': { tools: [] } }[method]
  if (method === 'tools/list') isAnswered = true
  if (id !== undefined) console.log(JSON.stringify({ jsonrpc: '2.0', id, ...(result === undefined ? { error: { code: -32601, message: 'no' } } : { result }) }))
}).on('close', () => isAnswered && writeFileSync('ends', ''))
`
