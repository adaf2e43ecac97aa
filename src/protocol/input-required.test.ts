import { describe, expect, it } from 'vitest'
import { legacyInputRequest, modernInputRequest, objectText, readInputRequired, readInputResponses } from './input-required.ts'
import type { InputRequest } from './input-required.ts'

const response = (result: string): string => `{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required",${result}}}`
const read = (result: string) => readInputRequired(response(result))

describe('an input_required result', () => {
  it('is read with its requests in their order, params as they stand', () => {
    const found = read('"inputRequests":{"b":{"method":"elicitation/create","params":{"n":1.50 }},"a":{"method":"roots/list"}},"requestState":"s\\u0041"')
    expect(found).toEqual({
      ok: true,
      value: {
        requests: [
          { key: 'b', method: 'elicitation/create', paramsText: '{"n":1.50 }', params: { n: 1.5 } },
          { key: 'a', method: 'roots/list', paramsText: '{}', params: {} },
        ],
        stateText: '"s\\u0041"',
      },
    })
  })

  it('may hold a state only, or requests only', () => {
    expect(read('"requestState":"s"')).toMatchObject({ ok: true, value: { requests: [], stateText: '"s"' } })
    expect(read('"inputRequests":{}')).toMatchObject({ ok: true, value: { requests: [], stateText: undefined } })
  })

  it.each([
    ['neither', '"x":1'],
    ['a state that is no string', '"requestState":1'],
    ['requests that are no object', '"inputRequests":[]'],
    ['a method that nobody may ask for', '"inputRequests":{"a":{"method":"tools/call","params":{}}}'],
    ['params that are no object', '"inputRequests":{"a":{"method":"roots/list","params":[]}}'],
    ['a key twice', '"inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}'],
    ['more requests than a person answers', `"inputRequests":{${Array.from({ length: 65 }, (_, index) => `"${index}":{"method":"roots/list"}`).join()}}`],
  ])('is refused with %s', (_what, result) => {
    expect(read(result)).toMatchObject({ ok: false })
  })
})

describe('a request in legacy words', () => {
  const request = (paramsText: string): InputRequest => ({ key: 'k', method: 'elicitation/create', paramsText, params: JSON.parse(paramsText) })

  it('in URL mode has an id of its own', () => {
    const text = legacyInputRequest(request('{"mode":"url","url":"https://a.example/"}'), '7', { hasUrlMode: true, elicitationId: 'e1' })
    expect(JSON.parse(text)).toEqual({ jsonrpc: '2.0', id: 7, method: 'elicitation/create', params: { mode: 'url', url: 'https://a.example/', elicitationId: 'e1' } })
  })

  it('has no mode where the revision has none', () => {
    const text = legacyInputRequest(request('{"mode":"form","message":"m","requestedSchema":{"n":1e400}}'), '7', { hasUrlMode: false, elicitationId: '' })
    expect(text).toBe('{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"message":"m","requestedSchema":{"n":1e400}}}')
  })
})

describe('a legacy request as an entry', () => {
  it('loses what entries do not have, and nothing else', () => {
    const text = '{"jsonrpc":"2.0","id":3,"method":"elicitation/create","params":{"_meta":{"progressToken":3,"x":1},"mode":"url","elicitationId":"e","n":12345678901234567890}}'
    expect(modernInputRequest(text)).toBe('{"method":"elicitation/create","params":{"_meta":{"x":1},"mode":"url","n":12345678901234567890}}')
  })

  it('needs no params', () => {
    expect(modernInputRequest('{"jsonrpc":"2.0","id":3,"method":"roots/list"}')).toBe('{"method":"roots/list"}')
  })

  it.each(['{"id":1,"method":"ping"}', '{"id":1,"method":"tools/call","params":{}}', '{"id":1,"method":"roots/list","params":[]}'])('is none: %s', (text) => {
    expect(modernInputRequest(text)).toBeUndefined()
  })
})

describe('input responses', () => {
  it('are read as they stand', () => {
    expect(readInputResponses('{"a": {"n":1.0} ,"b":{}}')).toEqual(new Map([['a', '{"n":1.0}'], ['b', '{}']]))
    expect(readInputResponses('[]')).toBeUndefined()
    expect(readInputResponses('{"a":1,"a":2}')).toBeUndefined()
  })

  it('are put together', () => {
    expect(objectText([['a"b', '1'], ['c', '{}']])).toBe('{"a\\"b":1,"c":{}}')
  })
})
