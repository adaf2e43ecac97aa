import { describe, expect, it } from 'vitest'
import { compileSnapshot } from './config-snapshot.ts'
import { readConfig } from './config.ts'
import type { ReferenceScope } from './config-reference.ts'

const files: Record<string, string> = { '/run/secrets/key': 's3cret\n', '/srv/.env': 'A=1\nB="two words"\n' }
const scope = (env: Record<string, string> = {}): ReferenceScope => ({
  env: { PATH: '/bin', ...env },
  folder: '/home/me/project/.vscode',
  home: '/home/me',
  inputs: new Map([['team', 'blue']]),
  readFile(path) {
    const text = files[path]
    if (text === undefined) throw Object.assign(new Error('no'), { code: 'ENOENT' })
    return text
  },
})

function compile(value: unknown, env: Record<string, string> = {}) {
  const read = readConfig(JSON.stringify(value))
  if (!read.ok) throw new Error(JSON.stringify(read.fault))
  return compileSnapshot(read.value, scope(env))
}

function snapshot(value: unknown, env: Record<string, string> = {}) {
  const compiled = compile(value, env)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.fault))
  return compiled.value
}

const withEnv = (env: Record<string, string>) => ({ mcpServers: { a: { command: 'x', env } } })
const envOf = (written: string, env: Record<string, string> = {}) => {
  const target = snapshot(withEnv({ V: written }), env).servers[0]?.target
  return target?.transport === 'stdio' ? target.env['V'] : undefined
}

describe('references', () => {
  it.each([
    ['env:TOKEN', 't0k'],
    ['${TOKEN}', 't0k'],
    ['${env:TOKEN}', 't0k'],
    ['$TOKEN', 't0k'],
    ['{env:TOKEN}', 't0k'],
    ['Bearer ${TOKEN}!', 'Bearer t0k!'],
    ['${MISSING:-a:-b}', 'a:-b'],
    ['${TOKEN:-other}', 't0k'],
    ['file:/run/secrets/key', 's3cret'],
    ['${file:/run/secrets/key}', 's3cret'],
    ['${input:team}', 'blue'],
    ['${workspaceFolder}/x', '/home/me/project/x'],
    ['${userHome}', '/home/me'],
  ])('%s becomes what it stands for', (written, value) => {
    expect(envOf(written, { TOKEN: 't0k' })).toBe(value)
  })

  it.each(['pa$word', '$UNSET', 'file:relative.db', 'file:///uri', 'envelope:X', '$${TOKEN}'.slice(1, 2)])('%s is a text like any other', (written) => {
    expect(envOf(written)).toBe(written)
  })

  it('are not searched for in what a reference stands for', () => {
    expect(envOf('${TOKEN}', { TOKEN: '${OTHER} $PATH', OTHER: 'x' })).toBe('${OTHER} $PATH')
  })

  it('can be escaped', () => {
    expect(envOf('$${TOKEN}')).toBe('${TOKEN}')
  })

  it('stay texts in arguments where only clients without references write them so', () => {
    const target = snapshot({ mcpServers: { a: { command: 'x', args: ['file:/data/x.db', 'env:A', '$HOME', '${A}'] } } }, { A: '1' }).servers[0]?.target
    expect(target).toMatchObject({ args: ['file:/data/x.db', 'env:A', '$HOME', '1'] })
  })

  it('that lead nowhere are all reported, without any value', () => {
    const compiled = compile({
      mcpServers: {
        a: { command: 'x', env: { A: 'env:NOPE', B: 'file:/nope', C: '${command:date}', D: '${input:api-key}' } },
        b: { url: '${NOPE}', headers: { 'X-A': '${file:rel}' } },
      },
    }, { TOKEN: 'hidden' })
    expect(compiled.ok ? [] : compiled.fault.map(({ path, problem }) => `${path}: ${problem}`)).toEqual([
      'mcpServers.a.env.A: the environment variable NOPE is not set',
      'mcpServers.a.env.B: the file /nope cannot be read (ENOENT)',
      'mcpServers.a.env.C: the reference ${command:date} is of no kind that Portolan knows',
      'mcpServers.a.env.D: ${input:api-key} would have to be asked for',
      'mcpServers.b.url: the environment variable NOPE is not set',
      'mcpServers.b.headers.X-A: the reference file:rel is not an absolute path',
    ])
  })

  it('of a disabled server are nobody\'s concern', () => {
    expect(snapshot({ mcpServers: { a: { command: 'x', env: { A: 'env:NOPE' }, disabled: true } } }).servers).toEqual([])
  })
})

describe('a snapshot', () => {
  it('gives a child the environment that programs need, and nothing else of ours', () => {
    const target = snapshot(withEnv({ A: 'b' }), { PORTOLAN_SECRET: 'x', HOME: '/home/me', NODE_COMPILE_CACHE: '/home/me/.cache/node' }).servers[0]?.target
    expect(target).toMatchObject({ env: { PATH: '/bin', HOME: '/home/me', NODE_COMPILE_CACHE: '/home/me/.cache/node', A: 'b' } })
    expect(JSON.stringify(target)).not.toContain('PORTOLAN_SECRET')
  })

  it('reads envFile, and env wins over it', () => {
    const target = snapshot({ mcpServers: { a: { command: 'x', envFile: '/srv/.env', env: { A: '9' } } } }).servers[0]?.target
    expect(target).toMatchObject({ env: { A: '9', B: 'two words' } })
  })

  it('has the same digest whatever a secret is, and another one for another reference', () => {
    const digest = (written: string, value: string) => snapshot(withEnv({ V: written }), { TOKEN: value, OTHER: value }).digest
    expect(digest('env:TOKEN', 'one')).toBe(digest('env:TOKEN', 'two'))
    expect(digest('env:TOKEN', 'one')).not.toBe(digest('env:OTHER', 'one'))
    expect(digest('env:TOKEN', 'one')).toMatch(/^[0-9a-f]{64}$/)
  })

  it('has the same digest in another order of keys, and another in another order of servers', () => {
    const digest = (value: unknown) => snapshot(value).digest
    expect(digest(withEnv({ A: '1', B: '2' }))).toBe(digest(withEnv({ B: '2', A: '1' })))
    expect(digest({ mcpServers: { a: { command: 'x' }, b: { command: 'x' } } })).not.toBe(digest({ mcpServers: { b: { command: 'x' }, a: { command: 'x' } } }))
  })

  it('fills in defaults and takes what is given', () => {
    const { servers, separator, limits } = snapshot({
      mcpServers: { a: { command: 'x' } },
      portolan: { version: 1, separator: '-', limits: { bodyBytes: 1000 }, servers: { a: { id: 'one', era: 'legacy', timeouts: { connectMs: 5 } } } },
    })
    expect(servers[0]).toMatchObject({ id: 'one', name: 'a', era: 'legacy', share: 'all', state: 'opaque', connectTimeoutMs: 5, requestIdleTimeoutMs: 300_000 })
    expect(separator).toBe('-')
    expect(limits).toMatchObject({ bodyBytes: 1000, jsonDepth: 128 })
  })

  it('has the bounds of a principal and of a server, a burst of one second where none is given', () => {
    const written = (limits: object, options: object) =>
      snapshot({ mcpServers: { a: { command: 'x' } }, portolan: { version: 1, limits, servers: { a: options } } })
    const plain = written({}, {})
    expect(plain).toMatchObject({ limits: { exchanges: 10_000, exchangesPerPrincipal: 10_000 }, ratePerPrincipal: undefined })
    expect(plain.servers[0]).toMatchObject({ limits: undefined, breaker: { failures: 10, windowMs: 60_000, openMs: 5_000, halfOpenProbes: 1 } })
    const { limits, ratePerPrincipal, servers } = written(
      { exchangesPerPrincipal: 5, ratePerPrincipal: { perSec: 2.5 } },
      { limits: { ratePerSec: 0.2, queueMs: 50 }, breaker: { failures: 3 } },
    )
    expect(limits).not.toHaveProperty('ratePerPrincipal')
    expect([limits.exchangesPerPrincipal, ratePerPrincipal]).toEqual([5, { perSec: 2.5, burst: 3 }])
    expect(servers[0]?.limits).toEqual({ exchanges: undefined, rate: { perSec: 0.2, burst: 1 }, queue: 100, queueMs: 50 })
    expect(servers[0]?.breaker).toEqual({ failures: 3, windowMs: 60_000, openMs: 5_000, halfOpenProbes: 1 })
    expect(written({}, { limits: { exchanges: 2, queue: 0 }, breaker: { failures: 0 } }).servers[0]).toMatchObject({ limits: { exchanges: 2, rate: undefined, queue: 0 }, breaker: undefined })
    expect(written({}, { limits: { queue: 3 } }).servers[0]?.limits).toBeUndefined()
    expect(new Set([plain, written({ ratePerPrincipal: { perSec: 1 } }, {}), written({}, { breaker: { failures: 0 } })].map(({ digest }) => digest)).size).toBe(3)
  })

  it('cannot be changed', () => {
    const { servers } = snapshot(withEnv({ A: 'b' }))
    expect(Object.isFrozen(servers[0]?.target)).toBe(true)
    expect(Object.isFrozen(servers)).toBe(true)
  })

  it('refuses URLs and headers that cannot be sent', () => {
    const compiled = compile({ mcpServers: { a: { url: 'unix:///run/x', headers: { 'a b': 'x', Host: 'y', C: 'line\nbreak' } } } })
    expect(compiled.ok ? [] : compiled.fault.map(({ path }) => path)).toEqual([
      'mcpServers.a.url', 'mcpServers.a.headers["a b"]', 'mcpServers.a.headers.Host', 'mcpServers.a.headers.C',
    ])
  })
})
