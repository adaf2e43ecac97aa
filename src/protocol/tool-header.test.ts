import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkParamHeaders, paramHeaders, readToolHeaders, compileToolHeaders } from './tool-header.ts'
import { scanJson } from './json-scan.ts'
import type { ToolHeaderRule } from './tool-header.ts'
import type { JsonObject, JsonValue } from './json-value.ts'

const REGION: ToolHeaderRule = { header: 'Mcp-Param-Region', path: ['region'], type: 'string' }
const COUNT: ToolHeaderRule = { header: 'Mcp-Param-Count', path: ['page', 'count'], type: 'integer' }
const DRY: ToolHeaderRule = { header: 'Mcp-Param-Dry', path: ['dry'], type: 'boolean' }
const RULES = [REGION, COUNT, DRY]

const annotated = (name: JsonValue, type: JsonValue = 'string'): JsonObject => ({ type, 'x-mcp-header': name })
const inProperties = (properties: JsonObject): JsonObject => ({ type: 'object', properties })

describe('reading a tool', () => {
  it('finds annotated properties at any depth of properties', () => {
    const schema = inProperties({
      region: annotated('Region'),
      query: { type: 'string' },
      page: inProperties({ count: annotated('Count', 'integer') }),
      dry: annotated('Dry', 'boolean'),
    })
    expect(readToolHeaders(schema)).toEqual({ ok: true, value: RULES })
  })

  it.each([[{}], [true], [null], [{ type: 'object' }], [{ properties: [] }]])('finds nothing in %j', (schema) => {
    expect(readToolHeaders(schema)).toEqual({ ok: true, value: [] })
  })

  it.each([
    ['', 'empty'], ['a b', 'not_a_token'], ['a:b', 'not_a_token'], ['a\r\nX-Evil: 1', 'not_a_token'], ['é', 'not_a_token'],
    ['a\t', 'not_a_token'], [5, 'not_a_string'], [null, 'not_a_string'], [['A'], 'not_a_string'],
  ])('refuses the name %j', (name, reason) => {
    expect(readToolHeaders(inProperties({ a: annotated(name) }))).toEqual(
      { ok: false, fault: { reason, path: ['properties', 'a'] } },
    )
  })

  it.each(['number', 'object', 'array', 'null', ['string', 'null'], 7])('refuses a property of type %j', (type) => {
    expect(readToolHeaders(inProperties({ a: annotated('A', type) }))).toMatchObject(
      { ok: false, fault: { reason: 'not_primitive' } },
    )
    expect(readToolHeaders(inProperties({ a: { 'x-mcp-header': 'A' } }))).toMatchObject(
      { ok: false, fault: { reason: 'not_primitive' } },
    )
  })

  it('takes numbers only where it is told to', () => {
    const schema = inProperties({ a: annotated('A', 'number') })
    expect(readToolHeaders(schema, { acceptNumber: true })).toEqual({
      ok: true,
      value: [{ header: 'Mcp-Param-A', path: ['a'], type: 'number' }],
    })
  })

  it('refuses one name twice, whatever its case', () => {
    const schema = inProperties({ a: annotated('Region'), b: inProperties({ c: annotated('REGION') }) })
    const path = ['properties', 'b', 'properties', 'c']
    expect(readToolHeaders(schema)).toEqual({ ok: false, fault: { reason: 'duplicate', path } })
  })

  const inner = annotated('A')
  it.each([
    [inner],
    [inProperties({ a: { type: 'array', items: inner } })],
    [inProperties({ a: { items: [inner] } })],
    [inProperties({ a: { prefixItems: [{}, inner] } })],
    [{ $defs: { A: inner } }],
    [{ definitions: { A: inner } }],
    [{ patternProperties: { '^a': inner } }],
    [{ additionalProperties: inner }],
    [{ dependentSchemas: { b: inProperties({ a: inner }) } }],
    [inProperties({ a: { properties: { b: { contains: inner } } } })],
  ])('refuses an annotation that no chain of properties reaches: %j', (schema) => {
    expect(readToolHeaders(schema)).toMatchObject({ ok: false, fault: { reason: 'not_reachable' } })
  })

  it.each(['oneOf', 'anyOf', 'allOf', 'not', 'if', 'then', 'else'])('refuses an annotation behind %s', (keyword) => {
    const fault = { reason: 'not_reachable', path: [keyword, 'properties', 'a'] }
    expect(readToolHeaders({ [keyword]: inProperties({ a: inner }) })).toEqual({ ok: false, fault })
    expect(readToolHeaders({ [keyword]: [{}, inProperties({ a: inner })] })).toMatchObject(
      { ok: false, fault: { reason: 'not_reachable' } },
    )
  })

  it('takes what only looks like an annotation for data or a name', () => {
    const schema = {
      ...inProperties({
        'x-mcp-header': { type: 'string' },
        a: { type: 'object', default: { 'x-mcp-header': 'A' }, enum: [{ 'x-mcp-header': '' }] },
      }),
      examples: [{ 'x-mcp-header': 'A' }],
    }
    expect(readToolHeaders(schema)).toEqual({ ok: true, value: [] })
  })

  it('reads a property that is named __proto__ like any other', () => {
    const schema: JsonValue = JSON.parse('{"properties":{"__proto__":{"type":"string","x-mcp-header":"P"}}}')
    expect(readToolHeaders(schema)).toEqual({ ok: true, value: [{ header: 'Mcp-Param-P', path: ['__proto__'], type: 'string' }] })
    const rules: ToolHeaderRule[] = [{ header: 'Mcp-Param-P', path: ['__proto__', 'toString'], type: 'string' }]
    expect(paramHeaders(rules, {})).toEqual([])
  })
})

describe('emitting', () => {
  it('writes strings, integers and booleans', () => {
    expect(paramHeaders(RULES, { region: 'us-west1', page: { count: -7 }, dry: false })).toEqual([
      ['Mcp-Param-Region', 'us-west1'],
      ['Mcp-Param-Count', '-7'],
      ['Mcp-Param-Dry', 'false'],
    ])
  })

  it('encodes what is not plain ASCII', () => {
    expect(paramHeaders([REGION], { region: 'a\r\nX-Evil: 1' })).toEqual([['Mcp-Param-Region', '=?base64?YQ0KWC1FdmlsOiAx?=']])
  })

  it.each([
    [{}], [{ region: null, page: null }], [{ page: 5 }], [{ region: {}, page: { count: [] } }], [{ page: { count: 2 ** 53 } }],
  ])('writes nothing for %j', (args) => {
    expect(paramHeaders(RULES, args)).toEqual([])
  })
})

const check = (args: JsonObject, headers: { readonly [name: string]: string }, rules: readonly ToolHeaderRule[] = RULES) => {
  const result = checkParamHeaders(rules, args, (name) => headers[name])
  return result.ok ? 'ok' : `${result.fault.header} ${result.fault.reason}`
}

describe('checking', () => {
  it.each([
    [{ region: 'a' }, { 'mcp-param-region': 'a' }, 'ok'],
    [{ region: 'a' }, { 'mcp-param-region': '=?base64?YQ==?=' }, 'ok'],
    [{ region: 'a' }, {}, 'Mcp-Param-Region missing'],
    [{ region: 'a' }, { 'mcp-param-region': 'b' }, 'Mcp-Param-Region mismatch'],
    [{ region: 'a' }, { 'mcp-param-region': 'A' }, 'Mcp-Param-Region mismatch'],
    [{ region: 'a' }, { 'mcp-param-region': 'a, a' }, 'Mcp-Param-Region mismatch'],
    [{ region: 'a' }, { 'mcp-param-region': '=?base64?YQ?=' }, 'Mcp-Param-Region invalid_base64'],
    [{ region: 'a' }, { 'mcp-param-region': '\xe9' }, 'Mcp-Param-Region invalid_characters'],
    [{ region: null }, {}, 'ok'],
    [{}, {}, 'ok'],
    [{}, { 'mcp-param-other': 'x' }, 'ok'],
    [{ region: null }, { 'mcp-param-region': 'a' }, 'Mcp-Param-Region unexpected'],
    [{}, { 'mcp-param-region': '' }, 'Mcp-Param-Region unexpected'],
    [{ region: { a: 1 } }, { 'mcp-param-region': 'a' }, 'Mcp-Param-Region mismatch'],
    [{ region: { a: 1 } }, {}, 'ok'],
    [{ dry: true }, { 'mcp-param-dry': 'true' }, 'ok'],
    [{ dry: true }, { 'mcp-param-dry': 'TRUE' }, 'Mcp-Param-Dry mismatch'],
    [{ page: { count: 42 } }, { 'mcp-param-count': '42.0' }, 'ok'],
    [{ page: { count: 42 } }, { 'mcp-param-count': '042' }, 'ok'],
    [{ page: { count: 0 } }, { 'mcp-param-count': '-0' }, 'ok'],
    [{ page: { count: 42 } }, { 'mcp-param-count': '42.5' }, 'Mcp-Param-Count mismatch'],
    [{ page: { count: 42 } }, { 'mcp-param-count': '0x2a' }, 'Mcp-Param-Count mismatch'],
    [{ page: { count: 10 } }, { 'mcp-param-count': '1e1' }, 'Mcp-Param-Count mismatch'],
    [{ page: { count: 9007199254740991 } }, { 'mcp-param-count': '9007199254740991' }, 'ok'],
    [{ page: { count: 9007199254740992 } }, { 'mcp-param-count': '9007199254740993' }, 'Mcp-Param-Count mismatch'],
  ])('%j with %j: %s', (args, headers, expected) => {
    expect(check(args, headers)).toBe(expected)
  })

  it('compares numbers as numbers where they are accepted', () => {
    const rules: ToolHeaderRule[] = [{ header: 'Mcp-Param-N', path: ['n'], type: 'number' }]
    expect(check({ n: 3.5 }, { 'mcp-param-n': '3.50' }, rules)).toBe('ok')
    expect(check({ n: 1e-7 }, { 'mcp-param-n': '1e-7' }, rules)).toBe('ok')
    expect(check({ n: 3.5 }, { 'mcp-param-n': '3.6' }, rules)).toBe('Mcp-Param-N mismatch')
  })

  it('finds no argument by the name of an inherited property', () => {
    const rules: ToolHeaderRule[] = [{ header: 'Mcp-Param-C', path: ['constructor'], type: 'string' }]
    expect(check({}, { 'mcp-param-c': 'x' }, rules)).toBe('Mcp-Param-C unexpected')
  })

  it('takes a lone surrogate, which no header can hold, for its replacement', () => {
    const [[, value = ''] = []] = paramHeaders([REGION], { region: 'a\ud800' })
    expect(check({ region: 'a\ud800' }, { 'mcp-param-region': value })).toBe('ok')
  })

  it('accepts whatever was emitted for the same arguments', () => {
    const value = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.boolean(), fc.constant(null))
    const args = fc.record({ region: value, page: fc.record({ count: value }), dry: value }, { requiredKeys: [] })
    fc.assert(fc.property(args, (given) => {
      const headers = Object.fromEntries(paramHeaders(RULES, given).map(([name, text]) => [name.toLowerCase(), text]))
      expect(check(given, headers)).toBe('ok')
    }))
  })
})

describe('the rules of a tool, made once', () => {
  it('have every object that holds a mirrored argument read strictly, whatever it is called', () => {
    const { plan, namesLower, rules } = compileToolHeaders([REGION, COUNT, { header: 'Mcp-Param-P', path: ['page', '__proto__', 'toString'], type: 'string' }])
    expect(rules).toHaveLength(3)
    expect([...namesLower]).toEqual(['mcp-param-region', 'mcp-param-count', 'mcp-param-p'])
    const isRead = (text: string): boolean => scanJson(text, plan, Infinity).ok
    expect(isRead('{"page":{"count":1,"__proto__":{"toString":"x"}},"other":{"a":1,"a":2}}')).toBe(true)
    for (const twice of ['{"region":"a","region":"b"}', '{"page":{"count":1,"count":2}}', '{"page":{"__proto__":{"toString":"a","toString":"b"}}}']) expect(isRead(twice), twice).toBe(false)
  })
})
