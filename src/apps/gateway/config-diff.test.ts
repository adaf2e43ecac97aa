import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createConfigFile, loadConfig } from './config-file.ts'
import { configModel, diffConfigs } from './config-diff.ts'
import type { ConfigModel, ContentOf } from './config-diff.ts'
import { contentInFiles, digestOfConfig, readConfigFile } from './config-inspect.ts'
import { createServedConfig } from './config-served.ts'
import { readConfig } from './config.ts'

const SECRET = 's3cr3t'
const nothing: ContentOf = () => undefined

function model(file: unknown, contentOf: ContentOf = nothing, salt = 'salt'): ConfigModel {
  const read = readConfig(JSON.stringify(file))
  if (!read.ok) throw new Error(JSON.stringify(read.fault))
  return configModel({ source: 'x', path: '/x', digest: 'd', config: read.value, contentOf }, salt)
}

const diff = (before: unknown, after: unknown) => diffConfigs(model(before), model(after))
const servers = (entries: Record<string, unknown>, portolan?: unknown) => ({ mcpServers: entries, ...(portolan === undefined ? {} : { portolan: { version: 1, ...(portolan as object) } }) })
const a = { command: 'x' }

describe('two configurations', () => {
  it('are the same whatever the spelling of what they mean', () => {
    const before = { servers: { a: { type: 'stdio', command: 'x', args: ['1'], env: { A: '1', B: 2 } } }, inputs: [] }
    const after = servers({ a: { args: ['1'], env: { B: '2', A: 1 }, command: 'x', autoApprove: ['t'] } }, { separator: '__', servers: { a: { share: 'all' } } })
    expect(diff(before, after)).toEqual({ isSame: true, servers: [], isReordered: false, settings: [] })
  })

  it('differ in servers that are added and removed, with what they are', () => {
    expect(diff(servers({ a, b: { url: 'https://b.example' } }), servers({ a, c: { command: 'y', args: ['z'], disabled: true } })).servers).toEqual([
      { kind: 'removed', name: 'b', id: 'b', effect: 'stops', settings: [{ setting: 'url', from: 'https://b.example', to: undefined, isContent: false }] },
      {
        kind: 'added', name: 'c', id: 'c', effect: 'none', settings: [
          { setting: 'command', from: undefined, to: 'y', isContent: false },
          { setting: 'args', from: undefined, to: '["z"]', isContent: false },
        ],
      },
    ])
  })

  it.each([
    ['another command', { command: 'y' }, undefined, { setting: 'command', from: 'x', to: 'y', isContent: false }, 'restarts'],
    ['a variable', { ...a, env: { T: 'env:T' } }, undefined, { setting: 'env.T', from: undefined, to: 'env:T', isContent: false }, 'restarts'],
    ['another era', a, { era: 'legacy' }, { setting: 'era', from: 'auto', to: 'legacy', isContent: false }, 'restarts'],
    ['a longer time', a, { timeouts: { connectMs: 5 } }, { setting: 'timeouts.connectMs', from: '30000', to: '5', isContent: false }, 'none'],
    ['a limit of its own', a, { limits: { ratePerSec: 2, burst: 5 } }, [{ setting: 'limits.ratePerSec', from: undefined, to: '2', isContent: false }, { setting: 'limits.burst', from: undefined, to: '5', isContent: false }], 'none'],
    ['no breaker', a, { breaker: { failures: 0 } }, { setting: 'breaker.failures', from: '10', to: '0', isContent: false }, 'none'],
    ['trust', a, { trustAnnotations: true }, { setting: 'trustAnnotations', from: 'false', to: 'true', isContent: false }, 'none'],
    ['being switched off', { ...a, disabled: true }, undefined, { setting: 'enabled', from: 'true', to: 'false', isContent: false }, 'stops'],
  ])('differ in %s of a server, and say what a reload does to it', (_what, entry, options, setting, effect) => {
    const after = servers({ a: entry }, options === undefined ? undefined : { servers: { a: options } })
    expect(diff(servers({ a }), after).servers).toEqual([{ kind: 'changed', name: 'a', id: 'a', settings: [setting].flat(), effect }])
  })

  it('know a renamed server by its id', () => {
    expect(diff(servers({ a }), servers({ b: a }, { servers: { b: { id: 'a' } } })).servers).toEqual([
      { kind: 'changed', name: 'b', id: 'a', settings: [{ setting: 'name', from: 'a', to: 'b', isContent: false }], effect: 'none' },
    ])
  })

  it('differ in the order of their servers', () => {
    const found = diff(servers({ a, b: { command: 'y' } }), servers({ b: { command: 'y' }, a }))
    expect(found).toMatchObject({ isSame: false, isReordered: true, servers: [] })
    expect(diff(servers({ a, b: { command: 'y' } }), servers({ b: { command: 'y' } })).isReordered).toBe(false)
  })

  it('differ in settings, some of which wait for the next start', () => {
    const after = servers({ a }, { separator: '-', listen: { port: 1, tls: { cert: 'c', key: 'k' } }, limits: { bodyBytes: 1, childIdleMs: 2 } })
    expect(diff(servers({ a }), after).settings.map(({ setting, from, to, atNextStart }) => [setting, from, to, atNextStart])).toEqual([
      ['listen.port', '7400', '1', true],
      ['separator', '__', '-', false],
      ['limits.bodyBytes', '4194304', '1', true],
      ['limits.childIdleMs', '300000', '2', false],
      ['listen.tls.cert', undefined, 'c', true],
      ['listen.tls.key', undefined, 'k', true],
    ])
  })

  it('tell that hidden texts differ, and none of them', () => {
    const file = (secret: string) =>
      servers(
        {
          a: { command: 'x', args: ['--key', secret], env: { K: secret } },
          b: { url: `https://me:${secret}@b.example/?k=${secret}`, headers: { Authorization: `Bearer ${secret}` } },
        },
        { virtualServers: { v: { use: [{ server: 'a' }], tools: { 'a/t': { arguments: { k: secret } } } } } },
      )
    const [before, after] = [model(file(SECRET)), model(file('other'))]
    const found = diffConfigs(before, after)
    const changes = [...found.servers.flatMap(({ settings }) => settings), ...found.settings]
    expect(changes.map(({ setting }) => setting)).toEqual(['args', 'env.K', 'url', 'headers.Authorization', expect.stringMatching(/^virtualServers\.v\.tools/)])
    expect(changes.filter(({ from, to }) => from !== to)).toEqual([])
    expect(JSON.stringify([before, after, found])).not.toMatch(/s3cr3t|other/)
    expect(model(file(SECRET), nothing, 'one').servers[0]?.leaves['args']?.mark).not.toBe(before.servers[0]?.leaves['args']?.mark)
  })
})

describe('a file beside what is served', () => {
  let folder = ''
  let path = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'portolan-diff-'))
    path = join(folder, 'portolan.json')
  })
  afterEach(() => rmSync(folder, { recursive: true, force: true }))

  const inFile = (salt: string): ConfigModel => {
    const { config } = readConfigFile(path)
    return configModel({ source: path, path, digest: digestOfConfig(path, config), config, contentOf: contentInFiles(path, config) }, salt)
  }

  it('is the same whatever the environment, and differs when a file behind a reference does', () => {
    const secret = join(folder, 'secret')
    writeFileSync(secret, `${SECRET}\n`)
    const entries = {
      a: { command: 'x', args: ['${ONLY_THERE}'], env: { T: 'env:ONLY_THERE', F: `file:${secret}` } },
      b: { url: '${BASE_URL}/mcp', headers: { 'X-Key': `\${file:${secret}}`, Authorization: 'Bearer ${ONLY_THERE}' } },
    }
    writeFileSync(path, JSON.stringify(servers(entries)))
    const env = { ONLY_THERE: 'there', BASE_URL: 'https://b.example' }
    const served = createServedConfig(createConfigFile(path, loadConfig(path, env), env), path)()
    expect(served.digest).toBe(inFile(served.salt).digest)
    expect(diffConfigs(served, inFile(served.salt)).isSame).toBe(true)
    writeFileSync(secret, 'another\n')
    expect(diffConfigs(served, inFile(served.salt)).servers.map(({ name, settings }) => [name, settings])).toEqual([
      ['a', [{ setting: 'env.F', from: `file:${secret}`, to: `file:${secret}`, isContent: true }]],
      ['b', [{ setting: 'headers.X-Key', from: `\${file:${secret}}`, to: `\${file:${secret}}`, isContent: true }]],
    ])
    expect(JSON.stringify(served)).not.toMatch(/s3cr3t|"there"/)
  })
})
