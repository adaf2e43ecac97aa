import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isAppDomain, readAppTraits, tightened } from './app.ts'

describe('what a tool says of apps', () => {
  it.each([
    [{}, undefined],
    [{ _meta: { ui: {} } }, { uri: undefined, isForModels: true, isForApps: true }],
    [{ _meta: { ui: { resourceUri: 'ui://a/b' } } }, { uri: 'ui://a/b', isForModels: true, isForApps: true }],
    [{ _meta: { 'ui/resourceUri': 'ui://a/b' } }, { uri: 'ui://a/b', isForModels: true, isForApps: true }],
    [{ _meta: { 'openai/outputTemplate': 'ui://a/b' } }, { uri: 'ui://a/b', isForModels: true, isForApps: true }],
    [{ _meta: { ui: { visibility: ['app'] } } }, { uri: undefined, isForModels: false, isForApps: true }],
    [{ _meta: { ui: { visibility: ['model'] } } }, { uri: undefined, isForModels: true, isForApps: false }],
    [{ _meta: { ui: { visibility: 'app' } } }, { uri: undefined, isForModels: false, isForApps: false }],
    [{ description: '"ui"' }, undefined],
  ])('%j', (tool, traits) => expect(readAppTraits(JSON.stringify({ name: 'a', ...tool }))).toEqual(traits))

  it('is nothing that an app may rely on where two readers could read two things', () => {
    expect(readAppTraits('{"_meta":{"ui":{"visibility":["model"],"visibility":["app"]}}}')).toEqual({ uri: undefined, isForModels: true, isForApps: false })
  })
})

describe('the domains of an app, tightened', () => {
  it.each([
    [['https://api.example.com'], ['https://api.example.com'], ['https://api.example.com']],
    [['https://api.example.com', 'https://evil.example'], ['https://*.example.com'], ['https://api.example.com']],
    [['https://*.example.com'], ['https://api.example.com', 'https://example.com', 'https://b.other'], ['https://api.example.com']],
    [['https://*.a.example.com'], ['https://*.example.com'], ['https://*.a.example.com']],
    [['https://example.com'], ['https://*.example.com'], []],
    [['https://badexample.com'], ['https://*.example.com'], []],
    [['http://api.example.com'], ['https://api.example.com'], []],
    [['wss://api.example.com'], ['https://api.example.com'], []],
    [['https://api.example.com:443', 'https://api.example.com:8443'], ['https://api.example.com'], ['https://api.example.com:443']],
    [['https://api.example.com:8443'], ['https://api.example.com:*'], ['https://api.example.com:8443']],
    [['HTTPS://API.example.com'], ['https://api.example.com'], ['HTTPS://API.example.com']],
    [['https://a.example; script-src *', '*', "'self'", 'https:', 'data:', 'https://a.example/path', '', 'https://*'], ['https://a.example'], []],
    [['https://a.example'], [], []],
  ])('%j within %j is %j', (declared, allowed, kept) => expect(tightened(declared, allowed)).toEqual(kept))

  it('are never more than either side allows, whichever they are', () => {
    const host = fc.constantFrom('a.com', '*.a.com', 'b.a.com', '*.b.a.com', 'c.b.a.com', 'xa.com')
    const domain = fc.tuple(fc.constantFrom('https', 'wss'), host, fc.constantFrom('', ':443', ':8443', ':*')).map(([scheme, name, port]) => `${scheme}://${name}${port}`)
    const within = (domain: string, list: readonly string[]): boolean => list.some((one) => tightened([domain], [one])[0] === domain && tightened([domain], [one]).length === 1)
    fc.assert(
      fc.property(fc.array(domain, { maxLength: 4 }), fc.array(domain, { maxLength: 4 }), (declared, allowed) => {
        for (const kept of tightened(declared, allowed)) expect([within(kept, declared), within(kept, allowed)]).toEqual([true, true])
      }),
    )
  })

  it.each([['https://a.example', true], ['https://*.a.example:8443', true], ['a.example', false], ['https://a.example/x', false], ['*', false]])('%s may stand in the configuration: %s', (text, isOne) =>
    expect(isAppDomain(text)).toBe(isOne))
})
