import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { markUri, slugsOf, unmarkUri } from './uri-mark.ts'

describe('a slug', () => {
  it.each([
    ['files', 'files'], ['My Files', 'my-files'], ['a_b', 'a-b'], ['1st', 's1st'], ['.x', 's.x'], ['Ä', 's-'], ['', 's'], ['a.b-c', 'a.b-c'], ['a+b', 'a-b'],
  ])('of %j is %s', (name, slug) => expect(slugsOf([name]).get(name)).toBe(slug))

  it('tells servers apart whose names look the same, whoever comes first', () => {
    const slugs = slugsOf(['a b', 'a-b', 'c'])
    expect(new Set(slugs.values()).size).toBe(3)
    expect(slugs.get('c')).toBe('c')
    expect(slugsOf(['c', 'a-b', 'a b'])).toEqual(new Map([...slugs].toReversed()))
  })

  it('does not let a server be called what another one gets by its digest', () => {
    const [first = ''] = slugsOf(['a b', 'a-b']).values()
    expect(new Set(slugsOf(['a b', 'a-b', first]).values()).size).toBe(3)
  })

  it('is a scheme of its own for any names', () => {
    const names = fc.uniqueArray(fc.oneof(fc.stringMatching(/^[aB .-]{0,3}$/), fc.string({ unit: 'binary' })), { maxLength: 12 })
    fc.assert(fc.property(names, (given) => {
      const slugs = slugsOf(given)
      expect(new Set(slugs.values()).size).toBe(given.length)
      for (const slug of slugs.values()) expect(slug).toMatch(/^[a-z][a-z0-9.-]*$/)
    }))
  })
})

describe('a mark', () => {
  it.each([
    ['file:///a', 'files+file:///a'],
    ['git+ssh://host/x', 'files+git+ssh://host/x'],
    ['ui://app/main', 'ui://files/app/main'],
    ['skill://acme/refunds/SKILL.md', 'skill://files/acme/refunds/SKILL.md'],
    ['UI://app', 'files+UI://app'],
    ['ui:x', 'files+ui:x'],
    ['urn:a:b', 'files+urn:a:b'],
    ['file:///{path}{?q*}', 'files+file:///{path}{?q*}'],
    ['{+uri}', 'files+{+uri}'],
    ['ui://{app}/x', 'ui://files/{app}/x'],
  ])('on %s is %s', (uri, marked) => {
    expect(markUri('files', uri)).toBe(marked)
    expect(unmarkUri(marked)).toEqual({ slug: 'files', uri })
  })

  it.each(['file:///a', 'a', '', '+a', 'Files+file:///a', '1+file:///a', 'ui://app', 'skill://app', 'a_b+c', 'http://x/a+b', ' a+b'])('is not on %j', (uri) => {
    expect(unmarkUri(uri)).toBeUndefined()
  })

  const slug = fc.stringMatching(/^[a-z][a-z0-9.-]{0,10}$/)
  const operator = fc.constantFrom('', '+', '#', '.', '/', ';', '?', '&')
  const expression = fc.tuple(operator, fc.constantFrom('a', 'path', 'x,y', 'list*', 'v:3')).map(([sign, variable]) => `{${sign}${variable}}`)
  const literal = fc.constantFrom('file:///', 'ui://', 'skill://', 'https://h/', 'a+b:', '/', '?q=', '#f', '%2B', 'ü', 'x')
  const template = fc.array(fc.oneof(literal, expression), { maxLength: 6 }).map((parts) => parts.join(''))

  it('comes off any URI and any template as it went on', () => {
    fc.assert(
      fc.property(slug, fc.oneof(fc.webUrl({ withFragments: true, withQueryParameters: true }), template, fc.string({ unit: 'binary' })), (mark, uri) => {
        expect(unmarkUri(markUri(mark, uri))).toEqual({ slug: mark, uri })
      }),
      { numRuns: 3_000 },
    )
  })

  it('leaves what a template expands to the same', () => {
    const filled = (text: string): string => text.replaceAll(/\{[^}]*\}/g, 'v/1+2')
    fc.assert(fc.property(slug, template, (mark, text) => {
      expect(unmarkUri(filled(markUri(mark, text)))).toEqual({ slug: mark, uri: filled(text) })
    }))
  })
})
