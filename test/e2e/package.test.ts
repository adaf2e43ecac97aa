import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callModern, startPortolan, stopPortolan } from '../portolan-process.ts'
import { findPackage } from '../services/package.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const INSTALL_MS = 300_000

// Modules in a new folder are not found again.
process.env['NODE_DISABLE_COMPILE_CACHE'] = '1'

let folder = ''
let packed: readonly string[] = []

/** npm of the machine, its scripts under the Node.js that runs this test. */
async function npm(args: readonly string[], cwd: string): Promise<void> {
  const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` }
  await promisify(execFile)('npm', [...args], { cwd, env, maxBuffer: 16 * 1024 * 1024, timeout: INSTALL_MS })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-package-'))
  const { tarball, paths } = await findPackage()
  packed = paths
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const flags = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--omit=dev']
  await npm(['install', ...flags, tarball], folder)
}, INSTALL_MS)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const command = (): string[] => [process.execPath, join(folder, 'node_modules', '.bin', 'portolan')]

describe('the package', () => {
  it('holds what runs, its licence and its documents, and neither sources nor tests', () => {
    expect(packed).toEqual(expect.arrayContaining(['LICENSE', 'README.md', 'CHANGELOG.md', 'package.json', 'dist/apps/cli/main.js']))
    const others = packed.filter((path) => !path.startsWith('dist/'))
    expect(others.toSorted()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'docs/portolan.schema.json', 'package.json'])
    expect(packed.filter((path) => /\.(test|contract)\.|fixtures/.test(path))).toEqual([])
  })

  it('names its version', async () => {
    const [file = '', ...args] = command()
    const { stdout } = await promisify(execFile)(file, [...args, '--version'])
    expect(stdout.trim()).toBe(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)
  })

  it('runs where it was installed, with its reference server behind it', async () => {
    const portolan = await startPortolan(join(folder, 'data'), [], command())
    try {
      const called = await callModern(`${portolan.baseUrl}/reference/mcp`, portolan.token, 'tools/call', { name: 'test_simple_text', arguments: {} })
      expect(called).toMatchObject({ status: 200, body: { result: { content: [{ type: 'text' }] } } })
    } finally {
      expect(await stopPortolan(portolan)).toEqual({ code: 0, signal: null })
    }
  })
})
