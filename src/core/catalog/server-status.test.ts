import { describe, expect, it } from 'vitest'
import { NO_TOOL_HEADERS } from '../../protocol/tool-header.ts'
import type { Upstream, UpstreamProfile } from '../upstream/upstream.ts'
import type { CatalogList } from './catalog-list.ts'
import type { ListKind } from './list-kind.ts'
import { serverNotes } from './server-status.ts'

const list = (keys: readonly string[], faults: readonly string[] = []): CatalogList => ({
  items: keys.map((key) => ({ key, text: '{}', headers: NO_TOOL_HEADERS, repeatable: false })), byKey: new Map(), version: 1, ttlMs: 0, cacheScope: 'private', fetchedTicks: 0, faults,
})

/** As much of an upstream as the notes look at. */
function upstream(name: string, profile: UpstreamProfile | undefined): Upstream {
  return { name, knownProfile: () => profile } as unknown as Upstream
}

describe('what the status tells of a server', () => {
  it('is what probes and lists have brought, and nothing where they have brought nothing', () => {
    const modern = { era: 'modern' as const, revision: '2026-07-28' as const, capabilities: '{"tools":{}}', serverInfo: '{"name":"caf\u00c3\u00a9"}', instructions: 'i'.repeat(5_000) }
    const a = upstream('a', { legacy: undefined, modern })
    const b = upstream('a__b', undefined)
    const lists = new Map<string, CatalogList>([['a tools', list(['b__c', 'ok'], ['an item of tools without name'])], ['a__b tools', list(['c'])]])
    const [ofA, ofB] = serverNotes({ newest: ({ name }: Upstream, kind: ListKind) => lists.get(`${name} ${kind}`) }, [a, b], '__')
    expect(ofA?.notes).toMatchObject({
      counts: { tools: 2, prompts: null, resources: null, templates: null },
      legacy: null,
      modern: { revision: '2026-07-28', serverInfo: { name: 'café' }, capabilities: { tools: {} }, instructions: 'i'.repeat(4_096) },
      names: [{ name: 'b__c', why: 'collision' }],
      listFaults: ['an item of tools without name'],
    })
    expect(ofB?.notes).toMatchObject({ modern: null, names: [{ name: 'c', why: 'collision' }] })
  })
})
