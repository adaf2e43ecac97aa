import { describe, expect, it } from 'vitest'
import { isReference, nearReference, resolveText } from './config-reference.ts'
import type { ReferenceScope } from './config-reference.ts'

const scope: ReferenceScope = { env: {}, folder: '/', home: '/', inputs: new Map(), readFile: () => '' }

describe('a reference to the vault', () => {
  it.each(['vault:github', '${vault:github}'])('%s is a reference, and a problem with a way out while there is no vault', (text) => {
    expect(isReference(text)).toBe(true)
    expect(resolveText(text, 'value', scope)).toEqual({
      ok: false,
      fault: { problem: `${text} refers to the vault, which this version does not have`, fix: 'Use env:NAME or file:/path until there is one' },
    })
  })

  it.each(['vault:two words', 'vault:', 'a vault:x'])('is not %j', (text) => {
    expect(resolveText(text, 'value', scope)).toEqual({ ok: true, value: text })
  })
})

describe('a text that nearly is a reference', () => {
  it.each([
    ['env:MY-VAR', /letters, digits and _/],
    ['env: NAME', /letters, digits and _/],
    ['file:~/secret', /whole path/],
    ['file:./secret', /whole path/],
  ])('%s is told', (text, advice) => {
    expect(nearReference(text)).toMatch(advice)
  })

  it.each(['env:NAME', 'file:/x', 'env:prod,region:eu', 'file:data.db', 'file:///uri', 'vault:x', 'plain'])('is not %s', (text) => {
    expect(nearReference(text)).toBeUndefined()
  })
})
