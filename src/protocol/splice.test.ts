import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asciiJson, member, toWireText, utf8Of } from './json.ts'
import { scanJson } from './json-scan.ts'
import type { JsonNode } from './json.ts'
import { splice } from './splice.ts'
import type { Change, MembersChange } from './splice.ts'

function root(text: string): JsonNode {
  const result = scanJson(text, { '*': { '*': { '*': {} } } })
  return result.ok ? result.value : expect.fail(result.fault.reason)
}

function changed(text: string, change: Omit<MembersChange, 'node'>): string {
  return splice(text, [{ node: root(text), ...change }])
}

describe('members', () => {
  it.each([
    ['{"a":1,"b":2,"c":3}', ['a'], '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['b'], '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['c'], '{"a":1,"b":2}'],
    ['{"a":1,"b":2,"c":3}', ['a', 'b'], '{"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['b', 'c'], '{"a":1}'],
    ['{"a":1,"b":2,"c":3}', ['a', 'c'], '{"b":2}'],
    ['{"a":1,"b":2,"c":3,"d":4}', ['a', 'c'], '{"b":2,"d":4}'],
    ['{"a":1,"b":2,"c":3,"d":4}', ['b', 'd'], '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', ['a', 'b', 'c'], '{}'],
    ['{"a":1}', ['a'], '{}'],
    ['{ "a" : 1 , "b" : 2 }', ['a'], '{ "b" : 2 }'],
    ['{ "a" : 1 , "b" : 2 }', ['b'], '{ "a" : 1 }'],
    ['{"a":1}', ['x', 'constructor'], '{"a":1}'],
    ['{}', ['a'], '{}'],
  ])('of %s leave without %j: %s', (text, remove, expected) => expect(changed(text, { remove })).toBe(expected))

  it.each([
    ['{}', { a: '1' }, '{"a":1}'],
    ['{ }', { a: '1', b: '[]' }, '{"a":1,"b":[] }'],
    ['{"a":1}', { b: '2' }, '{"a":1,"b":2}'],
    ['{"a":1, "b":2}', { a: '[ ]' }, '{"a":[ ], "b":2}'],
    ['{"a":1,"b":2}', { b: '3', c: '4', a: '5' }, '{"a":5,"b":3,"c":4}'],
    ['{"\\u0061":1}', { a: '2' }, '{"\\u0061":2}'],
    ['{}', { 'é"': '1' }, '{"\\u00e9\\"":1}'],
  ])('of %s are set to %j: %s', (text, set, expected) => expect(changed(text, { set })).toBe(expected))

  it.each([
    ['{"a":1,"b":2,"c":3}', { a: '9' }, ['b'], '{"a":9,"c":3}'],
    ['{"a":1,"b":2,"c":3}', { b: '9' }, ['a'], '{"b":9,"c":3}'],
    ['{"a":1,"b":2,"c":3}', { b: '9' }, ['c'], '{"a":1,"b":9}'],
    ['{"a":1,"b":2,"c":3}', { b: '9' }, ['a', 'c'], '{"b":9}'],
    ['{"a":1,"b":2}', { c: '9' }, ['a', 'b'], '{"c":9}'],
    ['{"a":1,"b":2}', { c: '9', d: '8' }, ['b'], '{"a":1,"c":9,"d":8}'],
    ['{"a":1,"b":2}', { b: '3', c: '9' }, ['a'], '{"b":3,"c":9}'],
    ['{"a":1,"b":2}', { a: '9' }, ['a'], '{"b":2,"a":9}'],
    ['{"a":1}', { a: '9' }, ['a'], '{"a":9}'],
  ])('of %s are set to %j while %j leave: %s', (text, set, remove, expected) => expect(changed(text, { set, remove })).toBe(expected))
})

describe('several changes at once', () => {
  const text = '{"id":1,"params":{"name":"n","_meta":{"t":1,"u":2}},"x":12345678901234567890}'
  const at = (...path: string[]): JsonNode => path.reduce<JsonNode | undefined>((node, key) => member(node, key), root(text)) ?? expect.fail()

  it('go to siblings and into an object whose own members change, in any order', () => {
    const changes: Change[] = [
      { node: at('params', '_meta'), set: { v: '3' }, remove: ['t'] },
      { node: at('id'), text: '"new"' },
      { node: at('params'), set: { z: '0' } },
      { node: at('params', 'name'), text: '"m"' },
      { node: root(text), set: { y: 'true' } },
    ]
    const expected = '{"id":"new","params":{"name":"m","_meta":{"u":2,"v":3},"z":0},"x":12345678901234567890,"y":true}'
    expect(splice(text, changes)).toBe(expected)
    expect(splice(text, changes.toReversed())).toBe(expected)
  })

  it('may be none', () => {
    expect(splice(text, [])).toBe(text)
    expect(splice(text, [{ node: at('params') }])).toBe(text)
  })

  it('replace neighbours in an array', () => {
    const list = '[1,22,{"a":3}]'
    const items = root(list).items ?? []
    expect(splice(list, items.map((node, index) => ({ node, text: String(index) })))).toBe('[0,1,2]')
  })

  it('empty one object and fill another', () => {
    const given = '{"a":{"x":1},"b":{}}'
    const [a, b] = [member(root(given), 'a'), member(root(given), 'b')]
    if (a === undefined || b === undefined) expect.fail()
    expect(splice(given, [{ node: b, set: { y: '2' } }, { node: a, remove: ['x'] }])).toBe('{"a":{},"b":{"y":2}}')
  })
})

describe('for any object', () => {
  const key = fc.constantFrom<string[]>('a', 'b', 'c', 'd', 'é', 'x"y', '', 'constructor', '__proto__')
  const leaf = fc.constantFrom('1', '-0.0', '12345678901234567890', '"é"', '"\\u00e9"', 'null', '[ 1 ]', '{ }', '{"k":"v"}')
  const entries = fc.uniqueArray(fc.tuple(key, leaf), { selector: ([name]) => name, maxLength: 7 })
  const gap = fc.constantFrom('', ' ', '\n  ')
  const write = (all: readonly (readonly [string, string])[], space: string): string =>
    toWireText(`{${space}${all.map(([name, value]) => `${JSON.stringify(name)}${space}:${space}${value}`).join(`${space},${space}`)}${space}}`)
  const settable = key.filter((name) => name !== '__proto__')
  const changes = fc.record({ set: fc.dictionary(settable, leaf.map(toWireText), { noNullPrototype: true }), remove: fc.uniqueArray(key) })

  it('setting and removing is what it is on values, and what nobody touched keeps its bytes', () => {
    fc.assert(
      fc.property(entries, changes, gap, (all, { set, remove }, space) => {
        const text = write(all, space)
        const out = changed(text, { set, remove })
        const expected = new Map(all.filter(([name]) => !remove.includes(name)).map(([name, value]) => [name, toWireText(value)]))
        for (const [name, value] of Object.entries(set)) expected.set(name, value)
        const node = root(out)
        const got = [...(node.members ?? [])].map(([name, { value }]) => [name, out.slice(value.start, value.end)])
        expect(got).toEqual([...expected])
        expect(() => void JSON.parse(utf8Of(out))).not.toThrow()
        if (Object.keys(set).length === 0 && !all.some(([name]) => remove.includes(name))) expect(out).toBe(text)
      }),
      { numRuns: 3_000 },
    )
  })

  it('changes to sibling objects do not meet', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(entries, changes), { maxLength: 4 }), gap, (parts, space) => {
        const text = `[${parts.map(([all]) => write(all, space)).join(`${space},`)}]`
        const items = root(text).items ?? []
        const out = splice(text, parts.map(([, change], index) => ({ node: items[index] ?? expect.fail(), ...change })))
        const alone = parts.map(([all, change]) => changed(write(all, space), change))
        expect(out).toBe(`[${alone.join(`${space},`)}]`)
      }),
    )
  })

  it('a key that is not ASCII is written so that it reads the same', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme', minLength: 1 }).filter((name) => name !== '__proto__'), (name) => {
      expect(JSON.parse(changed('{}', { set: { [name]: asciiJson(name) } }))).toEqual({ [name]: name })
    }))
  })
})
