import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { REFERENCE_MAIN } from '../compiled.ts'
import { freePort } from '../services/free-port.ts'
import { findNginx } from '../services/nginx.ts'
import { startNginx } from '../services/start-nginx.ts'
import { fencesOf, readDocument } from '../document.ts'
import { runPortolan } from '../portolan-process.ts'

const PAGE = 'docs/how-to/run-as-a-service.md'
const fences = fencesOf(readDocument(PAGE))
const units = fences.filter(({ language }) => language === 'ini').map(({ text }) => text)
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0
const hasPlutil = spawnSync('plutil', ['-help']).status === 0

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-services-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

describe('the units of the documents', () => {
  it('are two for systemd and one for launchd', () => {
    expect(units).toHaveLength(2)
    expect(fences.filter(({ language }) => language === 'xml')).toHaveLength(1)
  })

  it.runIf(hasSystemd).each([['for yourself', 0, '--user'], ['for everybody', 1, '--system']])('are good in the eyes of systemd: %s', (_whose, index, flag) => {
    const file = join(folder, 'portolan.service')
    writeFileSync(file, (units[Number(index)] ?? '').replaceAll('/usr/local/bin/portolan', process.execPath))
    const env = { ...process.env, XDG_RUNTIME_DIR: folder, HOME: folder }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', [flag, '--man=no', 'verify', file], { encoding: 'utf8', env, timeout: 30_000 })
    // A user that is made on the machine itself is not there yet, nor is a manager in a container.
    const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('portolan.service') && !/user .* not exist|Failed to (?:connect|determine user)/i.test(line))
    expect({ status: said.length === 0 ? 0 : status, said }).toEqual({ status: 0, said: [] })
  })

  it.runIf(hasPlutil)('are good in the eyes of launchd', () => {
    const file = join(folder, 'portolan.plist')
    writeFileSync(file, fences.find(({ language }) => language === 'xml')?.text ?? '')
    execFileSync('plutil', ['-lint', file])
  })

  it('start what there is: their arguments are understood, and their words for a bad configuration are true', { timeout: 60_000 }, async () => {
    const starts = [
      ...units.map((unit) => /^ExecStart=\/usr\/local\/bin\/portolan (.*)$/m.exec(unit)?.[1]?.split(' ') ?? []),
      [...(fences.find(({ language }) => language === 'xml')?.text ?? '').split('</array>')[0]?.matchAll(/<string>([^<]*)<\/string>/g) ?? []].map(([, one = '']) => one).slice(2),
    ]
    const config = join(folder, 'bad.json')
    writeFileSync(config, '{ "mcpServers": { "mcp": {} } }')
    for (const given of starts) {
      const args = given.map((one) => (one.endsWith('portolan.json') ? config : one === '/var/lib/portolan' ? join(folder, 'data') : one))
      expect(args.slice(0, 3)).toEqual(['up', '--config', config])
      const { code } = await runPortolan([...args, '--port', '0', ...(args.includes('--data') ? [] : ['--data', join(folder, 'data')])]).exited
      expect(code).toBe(2)
    }
    for (const unit of units) expect(unit).toContain('RestartPreventExitStatus=2')
  })
})

const nginx = await findNginx()
const hasOpenssl = spawnSync('openssl', ['version']).status === 0

describe('docs/how-to/run-behind-nginx.md', () => {
  it.runIf(nginx !== undefined && hasOpenssl)('lets clients in by its public name, and streams at once', { timeout: 60_000 }, async () => {
    const page = fencesOf(readDocument('docs/how-to/run-behind-nginx.md'))
    const config = JSON.parse(page.find(({ mark }) => mark === 'file=portolan.json')?.text ?? '{}')
    writeFileSync(join(folder, 'portolan.json'), JSON.stringify({ mcpServers: { reference: referenceServer() }, portolan: config.portolan }))
    const portolan = runPortolan(['up', '--config', join(folder, 'portolan.json'), '--port', String(await freePort()), '--data', join(folder, 'data')])
    await portolan.waitFor(/all servers +https:\/\/mcp\.example\.com\/mcp/)
    const upPort = portolan.child.spawnargs[portolan.child.spawnargs.indexOf('--port') + 1]
    const token = readFileSync(join(folder, 'data/token'), 'utf8').trim()
    const [certificate, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=mcp.example.com', '-out', certificate, '-keyout', key], { stdio: 'ignore' })
    const port = await freePort()
    const server = (page.find(({ language }) => language === 'nginx')?.text ?? '')
      .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
      .replace('127.0.0.1:7400', `127.0.0.1:${upPort}`)
      .replace('/etc/ssl/mcp.example.com.pem', certificate)
      .replace('/etc/ssl/mcp.example.com.key', key)
    const running = startNginx(folder, `events {}\nhttp {\n${server}\n}\n`)
    try {
      await expect.poll(async () => (await ask(port, '', 'tools/list', {})).status, { timeout: 10_000 }).toBe(401)
      const answer = await ask(port, token, 'tools/call', { name: 'test_wait', arguments: { milliseconds: 1_000, steps: 2 }, _meta: { progressToken: 1 } })
      expect(answer.status).toBe(200)
      expect(answer.text).toContain('Waited 1000 ms')
      // The first progress came while the call was under way, not with its result: nothing was held back.
      expect(answer.endMs - answer.firstMs).toBeGreaterThan(300)
    } finally {
      await running.stop()
      portolan.child.kill('SIGTERM')
      await portolan.exited
    }
  })
})

function referenceServer(): object {
  return { command: process.execPath, args: [REFERENCE_MAIN] }
}

/** One modern request to the public name, at nginx. */
function ask(port: number, token: string, method: string, params: Record<string, unknown>): Promise<{ status: number; text: string; firstMs: number; endMs: number }> {
  const given = typeof params['_meta'] === 'object' ? params['_meta'] : {}
  const _meta = { 'io.modelcontextprotocol/protocolVersion': '2026-07-28', 'io.modelcontextprotocol/clientCapabilities': {}, ...given }
  const headers = {
    host: 'mcp.example.com', 'content-type': 'application/json', accept: 'application/json, text/event-stream', 'mcp-protocol-version': '2026-07-28', 'mcp-method': method,
    ...(typeof params['name'] === 'string' ? { 'mcp-name': params['name'] } : {}),
    ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
  }
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, path: '/reference/mcp', method: 'POST', headers, rejectUnauthorized: false, servername: 'mcp.example.com' }, (response) => {
      let [text, firstMs] = ['', 0]
      response.setEncoding('utf8').on('data', (chunk: string) => {
        if (text === '') firstMs = performance.now()
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text, firstMs, endMs: performance.now() }))
    })
    asked.on('error', () => resolve({ status: 0, text: '', firstMs: 0, endMs: 0 }))
    asked.on('timeout', () => reject(new Error('no answer')))
    asked.end(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { ...params, _meta } }))
  })
}
