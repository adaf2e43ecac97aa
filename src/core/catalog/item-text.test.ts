import { describe, expect, it } from 'vitest'
import type { ItemOverride } from '../gateway/snapshot.ts'
import { itemText } from './item-text.ts'
import type { ListKind } from './list-kind.ts'

const shown = (text: string, override: ItemOverride | undefined, kind: ListKind = 'tools', name = 'a'): string | undefined =>
  itemText(text, { kind, key: 'a', name, slug: undefined, era: 'modern', override })

describe('an item with an override', () => {
  it('keeps every byte that is not overridden', () => {
    const text = '{ "x" : 12345678901234567890 ,"name":"a","description" :"old", "outputSchema":{"a":1},"_meta":{ "u":"\\u00e9" }, "icons":[] }'
    expect(shown(text, { description: 'né "w"' }, 'tools', 'b')).toBe(
      '{ "x" : 12345678901234567890 ,"name":"b","description" :"n\\u00e9 \\"w\\"", "outputSchema":{"a":1},"_meta":{ "u":"\\u00e9" }, "icons":[] }',
    )
  })

  it('is not shown where two readers could read two things of what is changed', () => {
    expect(shown('{"name":"a","inputSchema":{"properties":{"p":1,"p":2}}}', { arguments: { p: 1 } })).toBeUndefined()
    expect(shown('{"name":"a","title":"x","title":"y"}', { title: 'z' })).toBeUndefined()
    expect(shown('{"name":"a","inputSchema":{"properties":{"p":1,"p":2}}}', undefined)).toContain('"p":2')
  })

  it.each([
    ['{"name":"a"}', { title: 'T' }, '{"name":"a","title":"T"}'],
    ['{"name":"a"}', { annotations: { readOnlyHint: true } }, '{"name":"a","annotations":{"readOnlyHint":true}}'],
    ['{"name":"a","annotations":{ "x": 1 }}', { annotations: { y: 2 } }, '{"name":"a","annotations":{ "x": 1,"y":2 }}'],
    ['{"name":"a","annotations":null}', { annotations: { y: 2 } }, '{"name":"a","annotations":{"y":2}}'],
    ['{"name":"a","inputSchema":{"type":"object"}}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":{"type":"object"}}'],
    ['{"name":"a","inputSchema":{"properties":{"p":{},"q" : {}},"required":["p"]}}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":{"properties":{"q" : {}}}}'],
    ['{"name":"a","inputSchema":{"properties":{"p":{}},"required":[ "q", "p" ],"x":1}}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":{"properties":{},"required":["q"],"x":1}}'],
    ['{"name":"a","inputSchema":{"properties":{"q":{}},"required":[ "q" ]}}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":{"properties":{"q":{}},"required":[ "q" ]}}'],
    ['{"name":"a","inputSchema":{"properties":{"\\u0070":{}},"required":["\\u0070"]}}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":{"properties":{}}}'],
    ['{"name":"a","inputSchema":true}', { arguments: { p: 1 } }, '{"name":"a","inputSchema":true}'],
  ] satisfies [string, ItemOverride, string][])('%s with %j', (text, override, expected) => {
    expect(shown(text, override)).toBe(expected)
  })

  it('of a prompt loses the arguments that are fixed', () => {
    const text = '{"name":"a","arguments":[{"name":"p"}, {"name":"q", "x":1}]}'
    expect(shown(text, { arguments: { p: '1' } }, 'prompts')).toBe('{"name":"a","arguments":[{"name":"q", "x":1}]}')
    expect(shown(text, { arguments: { p: '1', q: '2' } }, 'prompts')).toBe('{"name":"a","arguments":[]}')
  })

  it('of a resource keeps its URI under another name', () => {
    expect(itemText('{"uri":"a","name":"x"}', { kind: 'resources', key: 'a', name: 's+a', slug: 's', era: 'modern', override: { name: 'y' } })).toBe('{"uri":"s+a","name":"y"}')
  })
})
