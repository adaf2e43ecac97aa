import { describe, expect, it } from 'vitest'
import type { VirtualServerSnapshot } from '../../core/gateway/snapshot.ts'
import { compileSnapshot } from './config-snapshot.ts'
import { readConfig } from './config.ts'

const servers = { files: { command: 'x' }, 'my server': { command: 'y' }, off: { command: 'z', disabled: true } }

function read(virtualServers: unknown) {
  return readConfig(JSON.stringify({ mcpServers: servers, portolan: { version: 1, virtualServers } }))
}

function problems(virtualServers: unknown): string[] {
  const result = read(virtualServers)
  return result.ok ? [] : result.fault.map(({ path, problem, fix }) => `${path}: ${problem}. ${fix}`)
}

function compile(virtualServers: unknown, env: Record<string, string> = {}) {
  const config = read(virtualServers)
  if (!config.ok) throw new Error(JSON.stringify(config.fault))
  return compileSnapshot(config.value, { env, folder: '/f', home: '/h', inputs: new Map(), readFile: () => '' })
}

function first(virtualServers: unknown, env?: Record<string, string>): VirtualServerSnapshot | undefined {
  const compiled = compile(virtualServers, env)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.fault))
  return compiled.value.virtualServers[0]
}

const use = [{ server: 'files' }]
const at = 'portolan.virtualServers'

describe('a virtual server', () => {
  it('is compiled with its servers as they are served', () => {
    const written = {
      title: 'T', use: [{ server: 'my server', tools: ['a*', '!ab'] }, { server: 'files', prompts: [] }],
      tools: { 'my server/a': { name: 'b' }, 'my-server/c': { hide: true }, d: { title: 'D' } },
      resources: { 'file:///x': { hide: true } },
    }
    expect(first({ job: written })).toEqual({
      name: 'job',
      title: 'T',
      use: [{ server: 'my-server', tools: ['a*', '!ab'] }, { server: 'files', prompts: [] }],
      overrides: { tools: { 'my-server/a': { name: 'b' }, 'my-server/c': { hide: true }, d: { title: 'D' } }, prompts: {}, resources: { 'file:///x': { hide: true } } },
    })
  })

  it('may use a server that is disabled', () => {
    expect(first({ job: { use: [{ server: 'off' }] } })?.use).toEqual([{ server: 'off' }])
  })

  it('may fix values that are references, at any depth', () => {
    const fixed = { key: 'env:KEY', list: ['${KEY}!', 1, { deep: 'env:KEY' }], plain: 'text', none: null }
    expect(first({ job: { use, tools: { t: { arguments: fixed } } } }, { KEY: 'k' })?.overrides.tools['t']?.arguments).toEqual({
      key: 'k', list: ['k!', 1, { deep: 'k' }], plain: 'text', none: null,
    })
    const missing = compile({ job: { use, tools: { t: { arguments: { key: 'env:KEY' } } } } })
    expect(missing.ok ? [] : missing.fault).toMatchObject([{ path: `${at}.job.tools.t.arguments.key`, problem: 'the environment variable KEY is not set' }])
  })

  it('changes the digest of the configuration by what it says and by its place, not by what references stand for', () => {
    const digest = (virtualServers: unknown, env = { KEY: 'a' }): string => {
      const compiled = compile(virtualServers, env)
      return compiled.ok ? compiled.value.digest : ''
    }
    const [a, b] = [{ use }, { use, tools: { t: { arguments: { key: 'env:KEY' } } } }]
    expect(new Set([digest({}), digest({ a }), digest({ b: a }), digest({ a, b }), digest({ b, a }), digest({ a: b })]).size).toBe(6)
    expect(digest({ a: b })).toBe(digest({ a: b }, { KEY: 'other' }))
  })
})

describe('problems are told by path, all at once', () => {
  it.each([
    [{ files: { use } }, `${at}.files: its name is also that of mcpServers.files. Rename one of them`],
    [{ OFF: { use } }, `${at}.OFF: its name is also that of mcpServers.off. Rename one of them`],
    [{ 'my-server': { use } }, `${at}.my-server: its name is also that of mcpServers["my server"]. Rename one of them`],
    [{ job: { use }, JOB: { use } }, `${at}.JOB: its name is also that of ${at}.job. Rename one of them`],
    [{ Api: { use } }, `${at}.Api: "Api" is a reserved name: /api is Portolan's own. Rename the virtual server`],
    [{ 'a b': { use } }, `${at}["a b"]: its name does not fit into a URL. Rename it: a letter or digit, then letters, digits and . _ ~ -, at most 64`],
    [{ job: { use: [{ server: 'flies' }] } }, `${at}.job.use[0].server: no server has this name. Did you mean files?`],
    [{ job: { use: [{ server: 'nothing-like-it' }] } }, `${at}.job.use[0].server: no server has this name. Name one of mcpServers`],
    [{ job: { use: [{ server: 'my server' }, { server: 'my-server' }] } }, `${at}.job.use[1].server: this server is used already. Put all its globs into one entry`],
    [{ job: { use: [{ server: 'files', tools: ['a', '!'] }] } }, `${at}.job.use[0].tools[1]: it excludes nothing. Write a glob behind the !`],
    [{ job: { use, tools: { 'fles/a': { hide: true } } } }, `${at}.job.tools["fles/a"]: this virtual server does not use "fles". Did you mean files/…?`],
    [{ job: { use, prompts: { 'off/a': { hide: true } } } }, `${at}.job.prompts["off/a"]: this virtual server does not use "off". Add it to use, or remove this`],
    [{ job: { use, tools: { a: { name: 'c' }, b: { name: 'c' } } } }, `${at}.job.tools.b.name: "a" gets the same name. Give each its own`],
    [{ job: { use, tools: { a: { name: 'two words' } } } }, `${at}.job.tools.a.name: not in the right form. See docs/configuration.md for what may stand here`],
    [{ job: { use: [] } }, `${at}.job.use: too small. Write 1 or more`],
    [{ job: {} }, `${at}.job.use: missing. Give it: a list: [ … ]`],
    [{ job: { use: [{ server: 'files', tool: ['a'] }] } }, `${at}.job.use[0].tool: no such setting. Did you mean tools?`],
    [{ job: { use, prompts: { a: { arguments: { x: 1 } } } } }, `${at}.job.prompts.a.arguments.x: not a text in double quotes. Write a text in double quotes`],
  ])('%j', (written, problem) => {
    expect(problems(written)).toEqual([problem])
  })

  it('several of them', () => {
    expect(problems({ mcp: { use: [{ server: 'x' }, { server: 'y' }] }, sse: { use } })).toHaveLength(4)
  })
})
