import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { configChange, isEmptyChange } from './config-change.ts'
import type { ConfigChange } from './config-change.ts'
import { loadConfig } from './config-file.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-change-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function changeOf(before: object, after: object, env: object = {}): ConfigChange {
  const path = join(folder, 'portolan.json')
  const load = (config: object, more: object) => {
    writeFileSync(path, JSON.stringify(config))
    return loadConfig(path, { ...more })
  }
  return configChange(load(before, { KEY: '1' }), load(after, { KEY: '1', ...env }))
}

const server = (more: object = {}) => ({ command: 'x', ...more })

describe('what a reload changed', () => {
  it('names servers that came, went, changed, or have another name under the same id', () => {
    const before = { mcpServers: { gone: server(), changes: server(), stays: server(), old: server() }, portolan: { version: 1, servers: { old: { id: 'one' } } } }
    const after = { mcpServers: { come: server(), changes: server({ args: ['y'] }), stays: server(), new: server() }, portolan: { version: 1, servers: { new: { id: 'one' } } } }
    const { added, removed, changed, renamed, settings } = changeOf(before, after)
    expect({ added, removed, changed, renamed, settings }).toEqual({
      added: ['come'], removed: ['gone'], changed: ['changes'], renamed: [{ from: 'old', to: 'new' }], settings: [],
    })
  })

  it('counts a server that is switched off as gone, and one whose secret is another as changed', () => {
    const on = { mcpServers: { a: server(), b: server({ env: { K: '${KEY}' } }) } }
    const off = { ...on, portolan: { version: 1, servers: { a: { enabled: false } } } }
    expect(changeOf(on, off, { KEY: '2' })).toMatchObject({ added: [], removed: ['a'], changed: ['b'] })
    expect(changeOf(off, on)).toMatchObject({ added: ['a'], removed: [] })
  })

  it('tells settings that are in force from those that wait for the next start, by path and without values', () => {
    const before = { mcpServers: { a: server() }, portolan: { version: 1 } }
    const after = { mcpServers: { a: server() }, portolan: { version: 1, separator: '-', limits: { exchanges: 5, bodyBytes: 5_000 }, listen: { port: 1234 } } }
    expect(changeOf(before, after)).toMatchObject({
      settings: expect.arrayContaining(['portolan.separator', 'portolan.limits.exchanges']),
      atNextStart: expect.arrayContaining(['portolan.limits.bodyBytes', 'portolan.listen.port']),
    })
    expect(isEmptyChange(changeOf(before, before))).toBe(true)
  })
})
