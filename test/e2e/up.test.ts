import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLI_MAIN, REFERENCE_MAIN } from '../compiled.ts'
import { callModern, runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import type { PortolanProcess } from '../portolan-process.ts'
import { startInTerminal } from '../terminal-rig.ts'

let folder = ''
const running: PortolanProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-up-'))
})
afterEach(async () => {
  for (const portolan of running.splice(0)) {
    portolan.child.kill('SIGKILL')
    await portolan.exited
  }
  rmSync(folder, { recursive: true, force: true })
})

const data = (): string => join(folder, 'data')
async function start(...args: string[]) {
  const portolan = await startPortolan(data(), args)
  running.push(portolan)
  return portolan
}
function run(...args: string[]): PortolanProcess {
  const portolan = runPortolan(args, { cwd: folder })
  running.push(portolan)
  return portolan
}
async function ended(portolan: PortolanProcess): Promise<{ code: number | null; out: string; err: string }> {
  const { code } = await portolan.exited
  return { code, out: portolan.stdout(), err: portolan.stderr() }
}
const lines = (path: string): Record<string, unknown>[] =>
  readFileSync(path, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line))
const reference = { command: process.execPath, args: [REFERENCE_MAIN] }
const writeConfig = (value: unknown): string => {
  const path = join(folder, 'mcp.json')
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value))
  return path
}

describe('portolan up', () => {
  it('serves the bundled reference server with a token made at the first start, and ends cleanly', async () => {
    const portolan = await start()
    expect(portolan.stdout()).toContain(portolan.token)
    const called = await callModern(`${portolan.baseUrl}/mcp`, portolan.token, 'tools/call', { name: 'reference__test_simple_text', arguments: {} })
    expect(called).toMatchObject({ status: 200, body: { result: { content: [{ type: 'text' }] } } })
    const refused = (why: string) => ({ status: 401, body: { error: { message: `Unauthorized: ${why}` } } })
    expect(await callModern(`${portolan.baseUrl}/mcp`, 'wrong', 'tools/list')).toMatchObject(refused('the token is not valid'))
    expect(await callModern(`${portolan.baseUrl}/mcp`, '', 'tools/list')).toMatchObject(refused('no token was sent'))
    expect(await stopPortolan(portolan)).toEqual({ code: 0, signal: null })
    expect(lines(join(data(), 'ledger.jsonl')).map(({ status }) => status)).toEqual([200, 401, 401])
    expect(readFileSync(join(data(), 'ledger.jsonl'), 'utf8')).not.toContain(portolan.token)
  })

  it('keeps its token over restarts and does not show it again', async () => {
    const first = await start()
    await stopPortolan(first)
    const second = await start()
    expect(second.token).toBe(first.token)
    expect(second.stdout()).not.toContain(second.token)
  })

  it('tells status and metrics to the command line', async () => {
    const portolan = await start()
    await callModern(`${portolan.baseUrl}/reference/mcp`, portolan.token, 'tools/list')
    const json = await ended(run('status', '--data', data(), '--json'))
    expect(JSON.parse(json.out)).toMatchObject({ state: 'ready', auth: 'token', servers: [{ name: 'reference', state: 'ready', eras: ['legacy', 'modern'] }] })
    const text = await ended(run('status', '--data', data()))
    expect(text.out).toMatch(/^reference +stdio +ready/m)
    expect(json.out + text.out).not.toContain(portolan.token)
  })

  it('takes a new configuration on SIGHUP, and keeps the old one where the new is bad', async () => {
    const config = writeConfig({ mcpServers: { one: reference } })
    const portolan = await start('--config', config)
    const names = async (): Promise<string[]> => {
      const { out } = await ended(run('status', '--data', data(), '--json'))
      return JSON.parse(out).servers.map(({ name }: { name: string }) => name)
    }
    writeConfig({ mcpServers: { one: reference, two: reference } })
    portolan.child.kill('SIGHUP')
    await expect.poll(names, { timeout: 10_000 }).toEqual(['one', 'two'])
    writeConfig('{ "mcpServers": { "mcp": {} } }')
    portolan.child.kill('SIGHUP')
    await expect.poll(() => portolan.stderr()).toContain('was not reloaded')
    expect(portolan.stderr()).toContain('mcpServers.mcp')
    expect(await names()).toEqual(['one', 'two'])
    expect((await callModern(`${portolan.baseUrl}/two/mcp`, portolan.token, 'tools/list')).status).toBe(200)
  })

  it('lets a call in flight finish on SIGTERM', async () => {
    const slow = join(folder, 'slow.mjs')
    writeFileSync(slow, SLOW_SERVER)
    const portolan = await start('--config', writeConfig({ mcpServers: { slow: { command: process.execPath, args: [slow] } } }))
    await callModern(`${portolan.baseUrl}/slow/mcp`, portolan.token, 'tools/list')
    const call = callModern(`${portolan.baseUrl}/slow/mcp`, portolan.token, 'tools/call', { name: 'slow', arguments: {} })
    await new Promise((resolve) => setTimeout(resolve, 300))
    const exit = stopPortolan(portolan)
    expect(await call).toMatchObject({ status: 200, body: { result: { content: [{ text: 'done' }] } } })
    expect(await exit).toEqual({ code: 0, signal: null })
  })

  it.each([['alone', []], ['with workers', ['--workers', '2']]])('%s lets a call in flight finish on Ctrl+C though nobody reads its output any more', async (_how, flags) => {
    const slow = join(folder, 'slow.mjs')
    writeFileSync(slow, SLOW_SERVER)
    const portolan = await start('--config', writeConfig({ mcpServers: { slow: { command: process.execPath, args: [slow] } } }), ...flags)
    await callModern(`${portolan.baseUrl}/slow/mcp`, portolan.token, 'tools/list')
    const call = callModern(`${portolan.baseUrl}/slow/mcp`, portolan.token, 'tools/call', { name: 'slow', arguments: {} })
    await new Promise((resolve) => setTimeout(resolve, 300))
    portolan.child.stdout.destroy()
    portolan.child.stderr.destroy()
    portolan.child.kill('SIGINT')
    expect(await call).toMatchObject({ status: 200, body: { result: { content: [{ text: 'done' }] } } })
    expect(await portolan.exited).toEqual({ code: 0, signal: null })
  })

  it.each([['alone', []], ['with workers', ['--workers', '2']]])('%s ends in order when its terminal is closed, and leaves nobody on its port', async (_how, flags) => {
    const slow = join(folder, 'slow.mjs')
    writeFileSync(slow, SLOW_SERVER)
    const config = writeConfig({ mcpServers: { slow: { command: process.execPath, args: [slow] } } })
    const terminal = startInTerminal([process.execPath, CLI_MAIN, 'up', '--port', '0', '--auth', 'none', '--data', data(), '--config', config, ...flags], { columns: 200 })
    try {
      const [, baseUrl = ''] = /all servers +(\S+)\/mcp/.exec(await terminal.waitFor(/all servers +\S+\/mcp/)) ?? []
      await callModern(`${baseUrl}/slow/mcp`, '', 'tools/list')
      const call = callModern(`${baseUrl}/slow/mcp`, '', 'tools/call', { name: 'slow', arguments: {} })
      await new Promise((resolve) => setTimeout(resolve, 300))
      terminal.hangUp()
      expect(await call).toMatchObject({ status: 200, body: { result: { content: [{ text: 'done' }] } } })
      expect(await terminal.exited).toBe(0)
      await expect(fetch(`${baseUrl}/healthz`)).rejects.toThrow()
    } finally {
      await terminal.close()
    }
  })

  it('serves on after SIGTERM for as long as the drain delay says, not ready, and then ends', async () => {
    const portolan = await start('--drain-delay', '10m')
    const readyz = async (): Promise<number> => (await fetch(`${portolan.baseUrl}/readyz`, { headers: { connection: 'close' } })).status
    expect(await readyz()).toBe(200)
    portolan.child.kill('SIGTERM')
    await expect.poll(readyz).toBe(503)
    const called = await callModern(`${portolan.baseUrl}/mcp`, portolan.token, 'tools/call', { name: 'reference__test_simple_text', arguments: {} })
    expect(called).toMatchObject({ status: 200, body: { result: { content: [{ type: 'text' }] } } })
    // Whoever does not want to wait for it says so once more.
    await new Promise((resolve) => setTimeout(resolve, 1_100))
    expect(await stopPortolan(portolan)).toEqual({ code: 1, signal: null })
    const brief = await start('--config', writeConfig({ mcpServers: { reference }, portolan: { version: 1, listen: { drainDelayMs: 300 } } }))
    const beganAtMs = performance.now()
    expect(await stopPortolan(brief)).toEqual({ code: 0, signal: null })
    expect(performance.now() - beganAtMs).toBeGreaterThanOrEqual(300)
  })

  it('refuses a data folder that another one uses', async () => {
    await start()
    const second = await ended(run('up', '--port', '0', '--data', data()))
    expect(second).toMatchObject({ code: 1, err: expect.stringMatching(/is in use.*give this one a folder of its own with --data/) })
  })

  it('refuses a port that another one uses', async () => {
    const { baseUrl } = await start()
    const second = await ended(run('up', '--port', new URL(baseUrl).port, '--data', join(folder, 'other')))
    expect(second).toMatchObject({ code: 1, err: expect.stringMatching(/is in use.*choose another port with --port/) })
  })

  it('says before any client comes which server cannot be started, and why', async () => {
    const portolan = await start('--config', writeConfig({ mcpServers: { gone: { command: 'no-such-program' }, reference } }))
    const status = async (): Promise<string> => (await ended(run('status', '--data', data()))).out
    await expect.poll(status, { timeout: 10_000 }).toMatch(/^gone is degraded: command not found: no-such-program\n +Install/m)
    await expect.poll(status, { timeout: 10_000 }).toMatch(/^reference +stdio +ready/m)
    expect(portolan.stderr()).toContain('upstream_degraded')
  })

  it('works without a token on loopback, and nowhere else', async () => {
    const portolan = await start('--auth', 'none')
    expect((await callModern(`${portolan.baseUrl}/reference/mcp`, '', 'tools/list')).status).toBe(200)
    const open = await ended(run('up', '--auth', 'none', '--host', '0.0.0.0', '--data', join(folder, 'other')))
    expect(open).toMatchObject({ code: 2, err: expect.stringContaining('portolan.auth') })
  })
})

describe('the command line', () => {
  it.each([
    [['upp'], 2, /Did you mean up\?/],
    [['up', '--port', '99999'], 2, /from 0 to 65535/],
    [['up', '--data', '/dev/null/portolan'], 2, /^Cannot use \/dev\/null\/portolan: \/dev\/null: there is something else than a folder .*--data/],
    [['up', '--auth', 'yes'], 2, /Allowed choices are token, none/],
    [[], 2, /Usage: portolan/],
    [['config', 'check', '--config', 'nowhere.json'], 2, /there is no such file/],
    [['status', '--data', 'nowhere'], 1, /No gateway runs/],
  ])('answers %j with exit code %i', async (args, code, message) => {
    const result = await ended(run(...args))
    expect(result).toMatchObject({ code, out: '' })
    expect(result.err).toMatch(message)
  })

  it('checks a file, and prints it without its secrets', async () => {
    const config = writeConfig({ mcpServers: { a: { command: 'x', env: { KEY: 's3cret' } } } })
    expect(await ended(run('config', 'check', '--config', config))).toMatchObject({ code: 0, out: expect.stringContaining('is good: 1 server') })
    const printed = await ended(run('config', 'print', '--resolved', '--config', config))
    expect(JSON.parse(printed.out)).toMatchObject({ mcpServers: { a: { command: 'x', env: { KEY: '<hidden>' } } }, portolan: { separator: '__' } })
  })
})

describe('portolan stdio', () => {
  const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } } }
  const initialized = { jsonrpc: '2.0', method: 'notifications/initialized' }
  const call = { jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'reference__test_simple_text', arguments: {} } }

  it('speaks the protocol and nothing else on standard output, and ends with its client', async () => {
    const portolan = run('stdio', '--data', data())
    portolan.child.stdin.end([initialize, initialized, call].map((message) => `${JSON.stringify(message)}\n`).join(''))
    const { code, out } = await ended(portolan)
    const answers = out.split('\n').filter((line) => line !== '').map((line): { id: number } => JSON.parse(line))
    expect(answers).toMatchObject([
      { id: 1, result: { protocolVersion: '2025-11-25', serverInfo: { name: 'portolan' } } },
      { id: 2, result: { content: [{ type: 'text' }] } },
    ])
    expect(code).toBe(0)
  })

  it('ends on SIGTERM while its client is still there', async () => {
    const portolan = run('stdio', '--data', data())
    portolan.child.stdin.write(`${JSON.stringify(initialize)}\n`)
    await portolan.waitFor(/"id":1/)
    expect(await stopPortolan(portolan)).toEqual({ code: 0, signal: null })
  })

  it('answers a line beyond the limit, then ends: nothing after it can be trusted', async () => {
    const portolan = run('stdio', '--data', data())
    portolan.child.stdin.on('error', () => undefined)
    portolan.child.stdin.write('x'.repeat(5 * 1024 * 1024))
    const { code, out } = await ended(portolan)
    expect(JSON.parse(out)).toMatchObject({ id: null, error: { message: 'Request body too large' } })
    expect(code).toBe(0)
  })
})

const SLOW_SERVER = `
let rest = ''
const answer = (id, result) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, result }) + '\\n')
process.stdin.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n')
  rest = lines.pop()
  for (const line of lines) {
    const { id, method } = JSON.parse(line)
    if (method === 'initialize') answer(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'slow', version: '1' } })
    else if (method === 'tools/list') answer(id, { tools: [{ name: 'slow', inputSchema: { type: 'object' } }] })
    else if (method === 'tools/call') setTimeout(() => answer(id, { content: [{ type: 'text', text: 'done' }] }), 1500)
    else if (id !== undefined) process.stdout.write(JSON.stringify({ jsonrpc: '2.0', id, error: { code: -32601, message: 'no' } }) + '\\n')
  }
})
process.stdin.on('end', () => process.exit(0))
`
