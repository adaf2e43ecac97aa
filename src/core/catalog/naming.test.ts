import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { exposeNames, exposeWishes, nameDigest } from './naming.ts'
import type { NamedItem, WishedItem } from './naming.ts'

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

describe('names at a virtual server', () => {
  const wish = (server: string, key: string, name = key): WishedItem => ({ server, key, name })
  const wished = (...items: readonly WishedItem[]): readonly string[] => exposeWishes(items, '__').exposed

  it('are the items\' own, or the ones they are given, whatever characters they have', () => {
    expect(wished(wish('a', 'x/y.z'), wish('a', 'q', 'r'), wish('b', 'n'.repeat(90)))).toEqual(['x/y.z', 'r', 'n'.repeat(90)])
  })

  it('are joined to the server where several would be the same, and say so', () => {
    const naming = exposeWishes([wish('a', 'x'), wish('b', 'y', 'x'), wish('b', 'z')], '__')
    expect(naming.exposed).toEqual(['a__x', 'b__x', 'z'])
    expect(naming.reports).toEqual([
      { server: 'a', name: 'x', exposedAs: 'a__x', why: 'collision' },
      { server: 'b', name: 'x', exposedAs: 'b__x', why: 'collision' },
    ])
  })

  it('have digests where two of one server are given one name, or a joined name is somebody\'s own', () => {
    const twice = wished(wish('a', 'x', 'n'), wish('a', 'y', 'n'))
    expect(twice).toEqual([`a__n_${nameDigest('a\u0000x')}`, `a__n_${nameDigest('a\u0000y')}`])
    const taken = wished(wish('a', 'x'), wish('b', 'x'), wish('c', 'a__x'))
    expect(new Set(taken).size).toBe(3)
    expect(taken).not.toContain('a__x')
  })

  it('are never two items\', and do not depend on the order', () => {
    const word = fc.stringMatching(/^[ab_]{1,3}$/)
    const items = fc.uniqueArray(fc.record({ server: word, key: word, name: word }), { selector: ({ server, key }) => JSON.stringify([server, key]) })
    fc.assert(fc.property(items, (some) => {
      const exposed = wished(...some)
      expect(new Set(exposed).size).toBe(some.length)
      expect(wished(...some.toReversed()).toReversed()).toEqual(exposed)
    }))
  })
})
