/** The examples, as a user has them: beside an installed package, type-checked against its declarations, and run. */
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { callModern } from '../portolan-process.ts'
import { findPackage } from '../services/package.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../..', import.meta.url))
const SERVER = [process.execPath, join(root, 'test/fixtures/reload/counting-server.mjs'), '', 'example']
const TOKEN = 'a-token-for-the-examples-of-forty-characters'
const PACK_MS = 120_000

// Modules in a new folder are not found again.
process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'

let folder = ''

/** Packed as it is published, unpacked as it is installed; what it depends on is the repository's. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-examples-'))
  const { tarball } = await findPackage()
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, 'portolan'), { recursive: true })
  await run('tar', ['-xzf', tarball, '--strip-components=1', '-C', join(modules, 'portolan')])
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (!name.startsWith('.') && name !== 'portolan') symlinkSync(join(root, 'node_modules', name), join(modules, name))
  }
  cpSync(join(root, 'examples'), folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }')
}, PACK_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const running: ChildProcess[] = []
afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

interface Started {
  readonly url: string
  readonly line: string
  readonly stderr: () => string
  /** Ends it as a service manager does; resolves with its exit code. */
  stop(): Promise<number | null>
}

async function start(file: string, env: Readonly<Record<string, string>> = {}): Promise<Started> {
  const child = spawn(process.execPath, [file, ...SERVER], { cwd: folder, env: { ...process.env, PORT: '0', GATEWAY_TOKEN: TOKEN, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  running.push(child)
  let stdout = ''
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  await expect.poll(() => stdout.includes('\n') || child.exitCode !== null, { timeout: 20_000 }).toBe(true)
  const url = /http:\/\/\S+\/mcp/.exec(stdout)?.[0]
  if (url === undefined) throw new Error(`${file} printed no URL: ${stdout}${stderr}`)
  return {
    url,
    line: stdout,
    stderr: () => stderr,
    async stop() {
      const exited = once(child, 'exit')
      child.kill('SIGTERM')
      await exited
      return child.exitCode
    },
  }
}

const call = (url: string, token = TOKEN, name = 'mine__work') => callModern(url, token, 'tools/call', { name, arguments: {} })
const answered = { status: 200, body: { result: { content: [{ type: 'text', text: expect.stringMatching(/^example \d+$/) }] } } }
const root200 = async (url: string): Promise<string> => (await fetch(new URL('/', url))).text()

describe('the examples', () => {
  it('all have a line in their README, and pass the type checker against the package', async () => {
    const files = readdirSync(join(root, 'examples')).filter((name) => /\.(ts|mjs)$/.test(name))
    const readme = readFileSync(join(root, 'examples/README.md'), 'utf8')
    expect(files.filter((name) => !readme.includes(`[${name}](${name})`))).toEqual([])
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { target: 'es2024', module: 'nodenext', strict: true, noUncheckedIndexedAccess: true, exactOptionalPropertyTypes: true, noEmit: true, types: ['node'], skipLibCheck: false },
        include: ['*.ts'],
      }),
    )
    const tsc = join(root, 'node_modules/typescript/bin/tsc')
    const checked = await run(process.execPath, [tsc, '-p', folder], { cwd: folder }).catch((error: unknown) => error)
    expect(checked).toMatchObject({ stdout: '' })
  })

  it('import only what the package says that it has', async () => {
    const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: Record<string, unknown> }
    const entries = Object.keys(exports).filter((name) => name !== './package.json').map((name) => name.replace('.', 'portolan'))
    const script = `for (const name of ${JSON.stringify(entries)}) if (Object.keys(await import(name)).length === 0) throw new Error(name)`
    await run(process.execPath, ['--input-type=module', '-e', script], { cwd: folder })
    const inner = run(process.execPath, ['--input-type=module', '-e', "await import('portolan/dist/core/gateway/create-gateway.js')"], { cwd: folder })
    await expect(inner).rejects.toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED')
  })

  it('one-server.ts: in ten lines', async () => {
    expect(readFileSync(join(root, 'examples/one-server.ts'), 'utf8').trimEnd().split('\n').length).toBeLessThanOrEqual(10)
    const example = await start('one-server.ts')
    const token = /Bearer ([\w-]+)/.exec(example.line)?.[1] ?? ''
    expect(await call(example.url, token, 'work')).toMatchObject(answered)
    expect((await call(example.url, 'another', 'work')).status).toBe(401)
    expect(await example.stop()).toBe(0)
  })

  it.each(['node-server.ts', 'express-app.mjs', 'hono-app.ts'])('%s: beside an application\'s own routes', async (file) => {
    const example = await start(file)
    expect(await call(example.url)).toMatchObject(answered)
    expect(await call(example.url.replace('/mcp', '/mine/mcp'), TOKEN, 'work')).toMatchObject(answered)
    expect((await call(example.url, 'another')).status).toBe(401)
    expect((await fetch(example.url, { method: 'POST', headers: { origin: 'https://evil.example' }, body: '{}' })).status).toBe(403)
    expect(await root200(example.url)).toBe('The rest is the application.\n')
    expect(await example.stop()).toBe(0)
  })

  it('own-stage.ts: the third call in a minute is refused, and says for how long', async () => {
    const example = await start('own-stage.ts')
    expect(await call(example.url)).toMatchObject(answered)
    expect(await call(example.url)).toMatchObject(answered)
    const third = await call(example.url)
    expect(third).toMatchObject({ status: 429, body: { error: { code: -31_012, message: 'Rate limit exceeded: work is for 2 calls a minute' } } })
    expect(example.stderr().match(/work: answered after \d+ ms/g)).toHaveLength(2)
    expect(await example.stop()).toBe(0)
  })

  it('own-ports.ts: two people with keys of their own, and a line for each exchange', async () => {
    const example = await start('own-ports.ts', { API_KEYS: JSON.stringify({ 'key-one': 'alice', 'key-two': 'bob' }) })
    for (const key of ['key-one', 'key-two']) expect(await call(example.url, key)).toMatchObject(answered)
    expect((await call(example.url, 'key-three')).status).toBe(401)
    const lines = (): Record<string, unknown>[] => example.stderr().split('\n').slice(0, -1).map((line) => JSON.parse(line))
    await expect.poll(() => lines().map(({ principal, outcome }) => [principal, outcome])).toEqual([['alice', 'answered'], ['bob', 'answered'], ['', 'challenge']])
    expect(await example.stop()).toBe(0)
  })
})
