import { describe, expect, it } from 'vitest'
import { DEFAULT_LIMITS } from '../gateway/snapshot.ts'
import type { ItemOverride, ServerSnapshot, Snapshot, VirtualServerSnapshot, VirtualUse } from '../gateway/snapshot.ts'
import { createVirtualServer, shownKinds, virtualServersOf } from './virtual-server.ts'

type Overrides = Readonly<Record<string, ItemOverride>>
const written = (use: readonly VirtualUse[], overrides: { readonly tools?: Overrides; readonly resources?: Overrides } = {}, name = 'v'): VirtualServerSnapshot => ({
  name, use, overrides: { tools: {}, prompts: {}, resources: {}, ...overrides },
})

describe('a virtual server', () => {
  it('shows nothing of a server that it does not use', () => {
    const virtual = createVirtualServer(written([{ server: 'a' }]))
    expect([virtual.shows('b', 'tools'), virtual.picks('b', 'tools', 'x'), virtual.isOpen('b'), virtual.hearsUri('b', 'x:y')]).toEqual([false, false, false, false])
    expect(virtual.shows('__proto__', 'tools')).toBe(false)
  })

  it('shows the kinds of which something may be picked', () => {
    const virtual = createVirtualServer(written([{ server: 'a', tools: [], prompts: ['nothing'] }]))
    expect(shownKinds(virtual, 'a')).toEqual(['prompts', 'resources', 'templates', 'skills'])
  })

  it('lets what is said of one server\'s item win over what is said of all with its name, member by member', () => {
    const virtual = createVirtualServer(written([{ server: 'a' }, { server: 'b' }], {
      tools: {
        read: { title: 'Read', description: 'all', annotations: { x: 1, y: 1 }, arguments: { p: 1 } },
        'a/read': { description: 'a', annotations: { y: 2 }, arguments: { q: 2 }, name: undefined, hide: true },
        'b/other': { hide: true },
      },
    }))
    expect(virtual.overrideOf('a', 'tools', 'read')).toEqual({ title: 'Read', description: 'a', annotations: { x: 1, y: 2 }, arguments: { p: 1, q: 2 }, hide: true })
    expect(virtual.overrideOf('b', 'tools', 'read')).toEqual({ title: 'Read', description: 'all', annotations: { x: 1, y: 1 }, arguments: { p: 1 } })
    expect(virtual.overrideOf('a', 'prompts', 'read')).toBeUndefined()
    expect(virtual.overrideOf('a', 'tools', 'constructor')).toBeUndefined()
    expect(['read', 'other'].map((key) => [virtual.picks('a', 'tools', key), virtual.picks('b', 'tools', key)])).toEqual([[false, true], [true, false]])
  })

  it.each([
    [{ server: 'a' }, {}, true],
    [{ server: 'a', tools: [] }, {}, true],
    [{ server: 'a', resources: ['*'] }, {}, false],
    [{ server: 'a', templates: ['*'] }, {}, false],
    [{ server: 'a' }, { 'x:y': { title: 'T' } }, true],
    [{ server: 'a' }, { 'x:y': { hide: true } }, false],
  ] satisfies [VirtualUse, Overrides, boolean][])('lets every URI through only where nothing of the server\'s resources is left out: %j %j', (use, resources, expected) => {
    expect(createVirtualServer(written([use], { resources })).isOpen('a')).toBe(expected)
  })

  it('is of several servers by what is written, and of one where one is written twice', () => {
    expect(createVirtualServer(written([{ server: 'a' }, { server: 'b' }])).isMerged).toBe(true)
    expect(createVirtualServer(written([{ server: 'a' }, { server: 'a' }])).isMerged).toBe(false)
  })
})

describe('the virtual servers of a configuration', () => {
  const snapshot = (virtualServers: readonly VirtualServerSnapshot[], servers: readonly Pick<ServerSnapshot, 'name' | 'enabled'>[]): Snapshot => ({
    digest: 'd', servers: servers as readonly ServerSnapshot[], virtualServers, separator: '__', pageSize: 1, limits: DEFAULT_LIMITS,
  })

  it('are found by name, in order, the same ones every time', () => {
    const one = snapshot([written([], {}, 'z'), written([], {}, 'a')], [])
    expect([...virtualServersOf(one).keys()]).toEqual(['z', 'a'])
    expect(virtualServersOf(one)).toBe(virtualServersOf(one))
    expect(virtualServersOf(one).get('__proto__')).toBeUndefined()
  })

  it('never take the place of a server, or of /mcp', () => {
    const names = (enabled: boolean): string[] => [...virtualServersOf(snapshot([written([], {}, 'a'), written([], {}, '')], [{ name: 'a', enabled }])).keys()]
    expect([names(true), names(false)]).toEqual([[], ['a']])
  })
})
