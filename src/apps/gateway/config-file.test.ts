import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createConfigFile, loadConfig } from './config-file.ts'
import type { Snapshot } from '../../core/gateway/snapshot.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'portolan-config-'))
  path = join(folder, 'portolan.json')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const write = (env: Record<string, string>) => writeFileSync(path, JSON.stringify({ mcpServers: { a: { command: 'x', env } } }))

describe('the configuration file', () => {
  it('is the bundled reference server where there is none', () => {
    const { snapshot } = loadConfig(undefined, process.env)
    expect(snapshot.servers.map(({ name }) => name)).toEqual(['reference'])
    expect(snapshot.servers[0]?.target).toMatchObject({ command: process.execPath, args: [expect.stringMatching(/reference-server\/main\.ts$/)] })
  })

  it('that is not there is a problem with a way out', () => {
    expect(() => loadConfig(path, {})).toThrow(/there is no such file\. Give the path/)
  })

  it('tells all its problems at once: of its form, its names, its settings and its references', () => {
    const servers = { mcp: { command: 'x' }, web: { url: 'htp:/x', headers: { Authorization: 'Bearer ${NOPE}' } }, off: { command: 'x', env: { A: 'env:NOPE' } }, none: {} }
    writeFileSync(path, JSON.stringify({ mcpServers: servers, portolan: { version: 1, listen: { prot: 1 }, servers: { off: { enabled: false } } } }))
    const failure = (): void => void loadConfig(path, {})
    for (const where of ['portolan.listen.prot', 'mcpServers.mcp', 'mcpServers.web.url', 'mcpServers.web.headers.Authorization', 'mcpServers.none']) {
      expect(failure).toThrow(where)
    }
    expect(failure).toThrow(/^5 problems in /)
  })

  it('is announced after a change, and only then', () => {
    write({ A: '1' })
    const file = createConfigFile(path, loadConfig(path, {}), {})
    const seen: Snapshot[] = []
    const unsubscribe = file.subscribe((snapshot) => seen.push(snapshot))
    expect(file.reload().kind).toBe('unchanged')
    write({ A: '2' })
    expect(file.reload().kind).toBe('changed')
    expect(seen).toEqual([file.current()])
    unsubscribe()
    write({ A: '3' })
    file.reload()
    expect(seen).toHaveLength(1)
  })

  it('that has become bad changes nothing and says why', () => {
    write({ A: '1' })
    const file = createConfigFile(path, loadConfig(path, {}), {})
    const before = file.current()
    writeFileSync(path, '{ "mcpServers": { "mcp": { "command": "x" } ')
    expect(file.reload()).toMatchObject({ kind: 'refused', reason: expect.stringContaining('line 1') })
    expect(file.current()).toBe(before)
  })

  it('changes when a secret behind a reference does', () => {
    writeFileSync(join(folder, 'secret'), 'one')
    write({ A: `file:${join(folder, 'secret')}` })
    const file = createConfigFile(path, loadConfig(path, {}), {})
    writeFileSync(join(folder, 'secret'), 'two')
    expect(file.reload().kind).toBe('changed')
  })
})
