import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { typeArguments } from './arguments.ts'
import { schemaNode } from './schema-node.ts'

const FILES: Readonly<Record<string, string>> = { 'note.txt': 'a\nnote', 'list.json': '[1,2]' }
const readFile = (path: string): string => {
  const text = FILES[path]
  if (text === undefined) throw new Error('no such file')
  return text
}
const typed = (schema: unknown, ...words: string[]) => typeArguments(schemaNode(schema), { words, readFile })
const one = (property: unknown, ...words: string[]) => typed({ type: 'object', properties: { a: property } }, ...words)
const valueOf = (property: unknown, text: string): unknown => one(property, `a=${text}`).value['a']
const messages = (schema: unknown, ...words: string[]): string[] => typed(schema, ...words).faults.map(({ message }) => message)

describe('a word typed by its schema', () => {
  it.each([
    [{ type: 'string' }, '5', '5'],
    [{ type: 'string' }, 'true', 'true'],
    [{ type: 'string' }, '', ''],
    [{ type: 'string' }, 'a=b=c', 'a=b=c'],
    [{ type: 'number' }, '2.5', 2.5],
    [{ type: 'number' }, '-1e3', -1000],
    [{ type: 'integer' }, '7', 7],
    [{ type: 'integer' }, '1e3', 1000],
    [{ type: 'boolean' }, 'true', true],
    [{ type: 'boolean' }, 'No', false],
    [{ type: ['string', 'null'] }, 'null', null],
    [{ type: ['string', 'number'] }, '5', 5],
    [{ type: ['string', 'number'] }, '05', '05'],
    [{ type: ['boolean', 'string'] }, 'yes', 'yes'],
    [{ anyOf: [{ type: 'integer' }, { type: 'null' }] }, '3', 3],
    [{ enum: ['low', 'high'] }, 'high', 'high'],
    [{ enum: [1, 2, '2'] }, '2', '2'],
    [{ enum: [1, 2, true] }, 'true', true],
    [{ const: 4 }, '4', 4],
    [{ oneOf: [{ const: 'a', title: 'A' }, { const: 'b', title: 'B' }] }, 'b', 'b'],
    [{ type: 'array', items: { type: 'integer' } }, '5', [5]],
    [{ type: 'array', items: { type: 'integer' } }, '[5,6]', [5, 6]],
    [{ type: 'array', items: { type: 'string' } }, 'a,b', ['a,b']],
    [{ type: 'array', items: { type: 'string' } }, '[not json', ['[not json']],
    [{ type: 'object' }, '{"x":1}', { x: 1 }],
    [{}, '5', 5],
    [{}, 'text', 'text'],
    [{}, '12345678901234567890', '12345678901234567890'],
    [true, '{"x":[]}', { x: [] }],
  ])('%j makes of %j: %j', (property, text, value) => {
    expect(one(property, `a=${text}`)).toEqual({ value: { a: value }, faults: [], missing: [] })
  })

  it.each([
    [{ type: 'integer' }, 'x', 'a must be integer, not "x".'],
    [{ type: 'integer' }, '1.5', 'a must be integer, not "1.5".'],
    [{ type: 'number' }, '', 'a must be number, not "".'],
    [{ type: 'number' }, '0x10', 'a must be number, not "0x10".'],
    [{ type: 'number' }, 'Infinity', 'a must be number, not "Infinity".'],
    [{ type: 'number' }, '1e999', 'a must be number, not "1e999".'],
    [{ type: 'boolean' }, 'maybe', 'a must be boolean, not "maybe".'],
    [{ type: 'object' }, '[1]', 'a must be object, not "[1]".'],
    [{ type: 'array', items: { type: 'integer' } }, 'x', 'a must be integer, not "x".'],
    [{ type: 'array', items: { type: 'integer' } }, '[1', 'a must be array of integer, not "[1".'],
    [{ enum: ['low', 'high'] }, 'hihg', 'a cannot be "hihg". Did you mean high?'],
  ])('%j refuses %j', (property, text, message) => {
    expect(messages({ properties: { a: property } }, `a=${text}`)).toEqual([message])
  })

  it('refuses an integer that would lose digits', () => {
    expect(messages({ properties: { a: { type: 'integer' } } }, 'a=9007199254740993')[0]).toMatch(/^a is too big to be sent exactly/)
  })

  it('takes JSON after := whatever the schema says', () => {
    expect(one({ type: 'string' }, 'a:=[1,{"b":null}]').value).toEqual({ a: [1, { b: null }] })
    expect(messages({ properties: { a: {} } }, 'a:=x')).toEqual(['a: what follows := is no JSON. For plain text write a=…'])
  })

  it('reads a file after @, text or JSON, and @@ as a plain @', () => {
    expect(one({ type: 'string' }, 'a=@note.txt').value).toEqual({ a: 'a\nnote' })
    expect(one({ type: 'array' }, 'a:=@list.json').value).toEqual({ a: [1, 2] })
    expect(one({ type: 'string' }, 'a=@@note.txt').value).toEqual({ a: '@note.txt' })
    expect(messages({ properties: { a: {} } }, 'a=@none')[0]).toMatch(/^a: the file none cannot be read \(no such file\)/)
  })

  it('makes an array of what is repeated, and only of that', () => {
    expect(one({ type: 'array', items: { type: 'integer' } }, 'a=1', 'a=2', 'a=[3,4]').value).toEqual({ a: [1, 2, 3, 4] })
    expect(messages({ properties: { a: { type: 'string' } } }, 'a=1', 'a=2')).toEqual(['a is given 2 times, and takes one value (string).'])
  })

  it('follows references within the document only, and not in circles', () => {
    const schema = { properties: { a: { $ref: '#/$defs/n' }, b: { $ref: 'http://127.0.0.1:1/x' }, c: { $ref: '#/$defs/loop' } }, $defs: { n: { type: 'integer' }, loop: { $ref: '#/$defs/loop' } } }
    expect(typed(schema, 'a=1', 'b=x', 'c=y').value).toEqual({ a: 1, b: 'x', c: 'y' })
  })
})

describe('nested and unknown names', () => {
  const schema = {
    type: 'object',
    properties: { place: { type: 'object', properties: { city: { type: 'string' }, zip: { type: 'integer' } }, required: ['city'] }, 'a.b': { type: 'integer' }, days: { type: 'integer' } },
    required: ['place', 'days'],
  }

  it('leads a.b into objects, and to a property of that very name first', () => {
    expect(typed(schema, 'place.city=Rome', 'place.zip=1', 'a.b=2', 'days=3').value).toEqual({ place: { city: 'Rome', zip: 1 }, 'a.b': 2, days: 3 })
  })

  it('adds to what was given as JSON, and wins over it', () => {
    const base = { place: { city: 'Oslo', zip: 9 }, extra: true }
    expect(typeArguments(schemaNode(schema), { words: ['place.city=Rome', 'days=1'], base, readFile }).value).toEqual({ place: { city: 'Rome', zip: 9 }, extra: true, days: 1 })
  })

  it('says what is missing, nested too', () => {
    expect(typed(schema).missing).toEqual(['place', 'days'])
    expect(typed(schema, 'place.zip=1').missing).toEqual(['days', 'place.city'])
    expect(typed(schema, 'days=x').missing).toEqual(['place'])
  })

  it('names the nearest of what it knows', () => {
    expect(messages(schema, 'dasy=1')).toEqual(['There is no argument dasy. Did you mean days?'])
    expect(messages(schema, 'place.ctiy=x')).toEqual(['There is no argument place.ctiy. Did you mean place.city?'])
    expect(messages(schema, 'quite-other=1')).toEqual(['There is no argument quite-other. It takes place, a.b, days.'])
    expect(messages(schema, 'days')).toEqual(['"days" is no argument: write name=value, or name:=json.'])
  })

  it('lets any name pass where the schema says so or says nothing', () => {
    expect(typed({ ...schema, additionalProperties: { type: 'integer' } }, 'x=1').value).toEqual({ x: 1 })
    expect(typed({}, 'x.y=1').value).toEqual({ 'x.y': 1 })
    expect(messages({ additionalProperties: false }, 'x=1')).toEqual(['There is no argument x. It takes none.'])
  })

  it('gives an argument called __proto__ no power', () => {
    const { value } = typed({}, '__proto__:={"polluted":true}')
    expect(Object.keys(value)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBe(undefined)
  })
})

describe('any word', () => {
  it('of type string comes through as it was typed', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }).filter((text) => !text.startsWith('@')), (text) => {
      expect(valueOf({ type: 'string' }, text)).toBe(text)
    }))
  })

  it('after := comes through as the JSON that it is', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value)
      expect(one({}, `a:=${text}`).value['a']).toEqual(JSON.parse(text))
    }))
  })

  it('of type integer is that number, or a fault', () => {
    fc.assert(fc.property(fc.maxSafeInteger(), (number) => {
      expect(valueOf({ type: 'integer' }, String(number))).toBe(number + 0)
    }))
    fc.assert(fc.property(fc.string(), (text) => {
      const { value, faults } = one({ type: 'integer' }, `a=${text}`)
      if (faults.length === 0) expect(Number.isSafeInteger(value['a'])).toBe(true)
      else expect(value).toEqual({})
    }))
  })

  it('makes no command crash, whatever the schema', () => {
    fc.assert(fc.property(fc.jsonValue(), fc.array(fc.string()), (schema, words) => {
      const { value, faults } = typed(schema, ...words)
      expect(typeof value).toBe('object')
      expect(faults.every(({ message }) => message !== '')).toBe(true)
    }))
  })
})
