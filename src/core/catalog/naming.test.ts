import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exposeNames, nameDigest } from './naming.ts'
import type { NamedItem } from './naming.ts'

const names = (items: readonly NamedItem[]): readonly string[] => exposeNames(items, '__').exposed

describe('names on /mcp', () => {
  it('are server and tool, joined', () => {
    expect(exposeNames([{ server: 'files', name: 'read' }, { server: 'files', name: 'write' }], '__')).toEqual({
      exposed: ['files__read', 'files__write'],
      reports: [],
    })
  })

  it('have a digest where characters do not fit, and say so', () => {
    const { exposed, reports } = exposeNames([{ server: 'a', name: 'x/y.z' }], '__')
    expect(exposed).toEqual([`a__x_y_z_${nameDigest('a\u0000x/y.z')}`])
    expect(reports).toEqual([{ server: 'a', name: 'x/y.z', exposedAs: exposed[0], why: 'characters' }])
  })

  it('have a digest for a tail where they are too long', () => {
    expect(names([{ server: 'a', name: 'x'.repeat(61) }])).toEqual([`a__${'x'.repeat(61)}`])
    const { exposed, reports } = exposeNames([{ server: 'a', name: 'x'.repeat(62) }, { server: 'a', name: `${'x'.repeat(61)}y` }], '__')
    expect(exposed.map((name) => name.length)).toEqual([64, 64])
    expect(new Set(exposed).size).toBe(2)
    expect(reports.map(({ why }) => why)).toEqual(['length', 'length'])
  })

  it('tell apart two servers and tools that join to the same, whoever comes first', () => {
    const items = [{ server: 'a', name: 'b__c' }, { server: 'a__b', name: 'c' }]
    const { exposed, reports } = exposeNames(items, '__')
    expect(exposed).toEqual([`a__b__c_${nameDigest('a\u0000b__c')}`, `a__b__c_${nameDigest('a__b\u0000c')}`])
    expect(reports.map(({ why }) => why)).toEqual(['collision', 'collision'])
    expect(names(items.toReversed())).toEqual(exposed.toReversed())
  })

  it('tell apart characters that both become an underscore', () => {
    expect(new Set(names(['x y', 'x.y', 'x_y', 'x-y'].map((name) => ({ server: 'a', name })))).size).toBe(4)
  })

  it('do not let a tool take the name that another one gets by its digest', () => {
    const [taken = ''] = names([{ server: 'a', name: 'x y' }])
    const items = [{ server: 'a', name: 'x y' }, { server: 'a', name: taken.slice('a__'.length) }]
    const exposed = names(items)
    expect(new Set(exposed).size).toBe(2)
    expect(names(items.toReversed())).toEqual(exposed.toReversed())
  })

  it('tell apart long names that have one digest', () => {
    const items = ['1eytqbh', '1rrz3vr'].map((tail) => ({ server: 'a', name: `${'x'.repeat(62)}${tail}` }))
    expect(new Set(items.map(({ name }) => nameDigest(`a\u0000${name}`))).size).toBe(1)
    expect(new Set(names(items)).size).toBe(2)
  })

  it('stay with one who is listed twice', () => {
    expect(names([{ server: 'a', name: 'x' }, { server: 'a', name: 'x' }])).toEqual(['a__x', 'a__x'])
  })
})

describe('for any items', () => {
  const part = fc.oneof(
    fc.stringMatching(/^[A-Za-z0-9_-]{0,8}$/),
    fc.string({ unit: 'binary', maxLength: 12 }),
    fc.stringMatching(/^[a-b_]{0,4}$/),
    fc.stringMatching(/^[ab]{60,70}$/),
  )
  const items = fc.uniqueArray(fc.record({ server: part, name: part }), { selector: ({ server, name }) => JSON.stringify([server, name]), maxLength: 30 })

  it('names fit model APIs, differ from each other, and do not depend on the order', () => {
    fc.assert(
      fc.property(items, fc.constantFrom('__', '_', '-', ''), (given, separator) => {
        const { exposed, reports } = exposeNames(given, separator)
        const joins = given.map(({ server, name }) => `${server}${separator}${name}`)
        for (const [index, name] of exposed.entries()) expect(name).toMatch(joins[index] === '' ? /^[A-Za-z0-9_-]{0,64}$/ : /^[A-Za-z0-9_-]{1,64}$/)
        expect(new Set(exposed).size).toBe(given.length)
        expect(exposeNames(given.toReversed(), separator).exposed).toEqual(exposed.toReversed())
        expect(exposeNames(given, separator)).toEqual({ exposed, reports })
        expect(reports.map(({ exposedAs }) => exposedAs)).toEqual(exposed.filter((name, index) => name !== joins[index]))
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('a digest', () => {
  it('is eight hex digits of FNV-1a', () => {
    expect([nameDigest(''), nameDigest('a'), nameDigest('foobar')]).toEqual(['811c9dc5', 'e40c292c', 'bf9cf968'])
    expect(nameDigest('é😀')).toMatch(/^[0-9a-f]{8}$/)
  })
})
