import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLI_MAIN } from '../compiled.ts'
import { makeCertificate } from '../doctor-rig.ts'
import { callModern, runPortolan, startPortolan, stopPortolan } from '../portolan-process.ts'
import type { PortolanProcess } from '../portolan-process.ts'
import { REFERENCE_SERVER_COMMAND } from '../reference-server-process.ts'
import { startInTerminal } from '../terminal-rig.ts'
import type { TerminalProcess } from '../terminal-rig.ts'

const SECRET = 'sk-very-secret-1234'

let folder = ''
const running: PortolanProcess[] = []
const terminals: TerminalProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-doctor-'))
})
afterEach(async () => {
  await Promise.all(terminals.splice(0).map((one) => one.close()))
  await Promise.all(running.splice(0).map(stopPortolan))
  rmSync(folder, { recursive: true, force: true })
})

const data = (): string => join(folder, 'data')

function writeConfig(servers: object, portolan: object = {}): string {
  const path = join(folder, 'portolan.json')
  writeFileSync(path, JSON.stringify({ mcpServers: servers, portolan: { version: 1, listen: { port: 0 }, ...portolan } }), { mode: 0o600 })
  return path
}

async function run(...args: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const portolan = runPortolan([...args, '--data', data()], { cwd: folder })
  const { code } = await portolan.exited
  return { code, out: portolan.stdout(), err: portolan.stderr() }
}

function watch(...args: readonly string[]): TerminalProcess {
  const terminal = startInTerminal([process.execPath, CLI_MAIN, ...args, '--data', data()], { cwd: folder, columns: 110, rows: 40 })
  terminals.push(terminal)
  return terminal
}

async function up(): Promise<PortolanProcess & { readonly baseUrl: string; readonly token: string }> {
  const portolan = await startPortolan(data(), ['--config', join(folder, 'portolan.json'), '--log-level', 'silent'])
  running.push(portolan)
  return portolan
}

describe('portolan doctor', () => {
  it('finds no problem in a good installation, and leaves nothing behind', async () => {
    writeConfig({ reference: REFERENCE_SERVER_COMMAND })
    const { code, out } = await run('doctor')
    // Memory, disk and open files are those of whoever runs this.
    expect(out).toMatch(/^✓ start +reference: It answered after/m)
    expect(out).toMatch(/^✓ era +reference: It speaks 2025-11-25 and 2026-07-28\.$/m)
    expect(out).not.toMatch(/^✗ (?!memory|disk|open-files|watches)/m)
    expect(code).toBe(/^✗/m.test(out) ? 1 : 0)
    expect(existsSync(data())).toBe(false)
  })

  it('names every fault of a bad one in one run, with what to do, and never a secret', async () => {
    const taken = createServer((_request, response) => void response.writeHead(401, { date: new Date(Date.now() + 7_200_000).toUTCString() }).end())
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo
    writeFileSync(join(folder, 'ends.mjs'), `console.log('Ready!'); console.error('bad token ' + process.env.TOKEN); process.exit(1)`)
    const config = writeConfig(
      {
        ends: { command: process.execPath, args: [join(folder, 'ends.mjs')], env: { TOKEN: SECRET } },
        nowhere: { command: 'no-such-program', env: { KEY: 'literal-value' } },
        remote: { url: `http://127.0.0.1:${port}/mcp`, headers: { Authorization: `Bearer ${SECRET}` } },
      },
      { listen: { port } },
    )
    chmodSync(config, 0o644)
    mkdirSync(data(), { mode: 0o755 })
    const { code, out, err } = await run('doctor', '--json')
    taken.closeAllConnections()
    taken.close()
    expect(err).toBe('')
    expect(code).toBe(1)
    expect(out).not.toContain(SECRET)
    const report: { verdict: string; checks: { id: string; verdict: string; findings: { explanation: string; next: string }[] }[] } = JSON.parse(out)
    const verdicts = Object.fromEntries(report.checks.map(({ id, verdict }) => [id, verdict]))
    expect(report.verdict).toBe('problem')
    expect(verdicts).toMatchObject({
      configuration: 'ok', references: 'ok', secrets: 'problem', running: 'skipped', port: 'problem', data: 'problem', command: 'problem', start: 'problem',
      output: 'problem', upstream: 'problem', clock: 'problem', node: 'ok',
    })
    for (const { findings } of report.checks) for (const { explanation } of findings) expect(explanation).not.toBe('')

    const fixed = await run('doctor', '--fix', '--only', 'secrets,data')
    expect(fixed).toMatchObject({ code: 0, out: expect.stringContaining(`Done: chmod 600 ${config.slice(folder.length + 1)}`) })
    expect([config, data()].map((path) => (statSync(path).mode & 0o777).toString(8))).toEqual(['600', '700'])
  })

  it('shows what it is about while it looks, ends within its time limit, and gives the terminal back', async () => {
    writeFileSync(join(folder, 'silent.mjs'), 'setInterval(() => {}, 1000)')
    writeConfig({ silent: { command: process.execPath, args: [join(folder, 'silent.mjs')] } })
    const startedMs = Date.now()
    const terminal = watch('doctor', '--only', 'configuration,start,output', '--time-limit', '2')
    await terminal.waitFor(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] start +whether stdio servers stay/)
    const text = await terminal.waitFor(/1 warning\./)
    expect(text).toMatch(/^! start +silent: It said nothing for 2 s\./m)
    expect(await terminal.exited).toBe(0)
    expect(Date.now() - startedMs).toBeLessThan(12_000)
    expect(terminal.text()).not.toMatch(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/)
    expect(terminal.isCursorVisible()).toBe(true)
  })

  it('refuses a check that there is not', async () => {
    expect(await run('doctor', '--only', 'weather')).toMatchObject({ code: 2, out: '', err: expect.stringContaining('There is no check "weather". There are: configuration, ') })
  })
})

/** Runs a program while this process serves what it asks. */
async function runIn(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string> {
  const [file = '', ...args] = command
  const child = spawn(file, args, { cwd: folder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text))
  await once(child, 'close')
  return said
}

const DOCTOR = [process.execPath, CLI_MAIN, 'doctor']
const isRoot = process.platform === 'linux' && process.getuid?.() === 0
const hasUnshare = isRoot && spawnSync('unshare', ['-n', 'true']).status === 0

describe('what only a process of its own can meet', () => {
  it.each([
    ['IP:127.0.0.1', -20, -10, 'Its certificate expired on'],
    ['IP:127.0.0.1', 10, 20, 'Its certificate is not yet valid'],
    ['DNS:other.example', -1, 10, 'Its certificate is not for 127.0.0.1. It is for other.example'],
  ])('a trusted certificate for %s from day %i to day %i', async (name, from, to, words) => {
    const { key, cert } = makeCertificate(folder, { name, from, to })
    const server = createTlsServer({ key: readFileSync(key), cert: readFileSync(cert) }, (_request, response) => void response.end())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    writeConfig({ remote: { url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/mcp` } })
    const said = await runIn([...DOCTOR, '--only', 'upstream,clock', '--data', data()], { NODE_EXTRA_CA_CERTS: cert })
    server.close()
    expect(said).toMatch(/^✗ upstream +remote: /m)
    expect(said).toContain(words)
    expect(/^! clock/m.test(said)).toBe(from > 0)
  })

  it.runIf(hasUnshare)('a machine without a network', async () => {
    mkdirSync(join(folder, 'bin'))
    writeFileSync(join(folder, 'bin/npx'), '#!/bin/sh\n', { mode: 0o755 })
    writeConfig({ fetched: { command: 'npx', args: ['-y', 'some-server'] } })
    const said = await runIn(['unshare', '-n', ...DOCTOR, '--only', 'command', '--data', data()], { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, HTTPS_PROXY: '', https_proxy: '' })
    expect(said).toMatch(/^! command +fetched: npx fetches the server .* no network but loopback/m)
  })

  it.runIf(isRoot)('a data folder of another user', async () => {
    mkdirSync(data(), { mode: 0o700 })
    writeConfig({})
    chmodSync(folder, 0o755)
    chmodSync(join(folder, 'portolan.json'), 0o644)
    const said = await runIn(['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', ...DOCTOR, '--only', 'data', '--data', data()])
    expect(said).toContain('It belongs to another user (0)')
    expect(said).toMatch(/^✗ +\S+: This user cannot write to it\.$/m)
  })
})

describe('portolan status', () => {
  it('tells counts, children and capabilities of one server, and ends with 1 where one is down', async () => {
    writeConfig({ reference: REFERENCE_SERVER_COMMAND, gone: { command: 'no-such-program' } })
    const { baseUrl, token } = await up()
    await callModern(`${baseUrl}/reference/mcp`, token, 'tools/list')
    const all = await run('status')
    expect(all.code).toBe(1)
    expect(all.out).toMatch(/^reference +stdio +ready +legacy\+modern +\d+ +- +- /m)
    expect(all.out).toMatch(/^Requests since the start: 1, .* 0 % refused, p50 /m)
    expect(all.out).toContain('gone is degraded: command not found: no-such-program\n  Install the program')
    const one = await run('status', 'reference')
    expect(one).toMatchObject({ code: 0, err: '' })
    expect(one.out).toMatch(/^reference: ready, stdio\n/)
    expect(one.out).toMatch(/^2026-07-28 +\S.*tools/m)
    expect(one.out).toMatch(/^ *\d+ +modern +\d+ s$/m)
    const json = JSON.parse((await run('status', 'reference', '--json')).out)
    expect(json.processes.every(({ pid }: { pid: number }) => existsSync('/proc') === existsSync(`/proc/${pid}`))).toBe(true)
    expect(await run('status', 'gon')).toMatchObject({ code: 1, err: expect.stringContaining('Did you mean gone?') })
    expect((await run('status', 'gone')).out).toMatch(/^Last errors\n {2}\d+ s ago: command not found: no-such-program$/m)
    const doctor = await run('doctor', '--only', 'running')
    expect(doctor).toMatchObject({ code: 0, out: expect.stringMatching(/^! running +gone: It is down for the running Portolan/m) })
  })

  it('is redrawn every second, notices calls and the end of the gateway, and ends with Ctrl+C', async () => {
    writeConfig({ reference: REFERENCE_SERVER_COMMAND })
    const portolan = await up()
    const terminal = watch('status', '--watch')
    await terminal.waitFor(/^reference +stdio +● ready/m)
    await terminal.waitFor('Requests since the last look: none')
    for (let index = 0; index < 5; index += 1) await callModern(`${portolan.baseUrl}/reference/mcp`, portolan.token, 'tools/list')
    await terminal.waitFor(/Requests since the last look: [1-5], /)
    // In place: one picture is on the screen, not many.
    expect(terminal.text().match(/^SERVER/gm)).toHaveLength(1)
    await stopPortolan(portolan)
    await terminal.waitFor('No gateway runs at')
    terminal.press('ctrl-c')
    expect(await terminal.exited).toBe(0)
    expect(terminal.isCursorVisible()).toBe(true)
  })

  it('says how to start where nothing runs', async () => {
    expect(await run('status', '--watch')).toMatchObject({ code: 1, out: '', err: expect.stringMatching(/No gateway runs at .* Start one with: portolan up/) })
  })
})
