import { describe, expect, it } from 'vitest'
import { argumentRows, exampleWords, promptSchema, shellWord } from './describe.ts'
import { schemaNode } from './schema-node.ts'

const SCHEMA = schemaNode({
  type: 'object',
  properties: {
    city: { type: 'string', description: 'Where' },
    unit: { enum: ['c', 'f'], default: 'c' },
    tags: { type: 'array', items: { type: 'string' } },
    at: { type: 'object', properties: { lat: { type: 'number' }, lon: { type: ['number', 'null'] } }, required: ['lat'] },
    day: { $ref: '#/$defs/day' },
  },
  required: ['city', 'at'],
  $defs: { day: { type: 'string', format: 'date', title: 'Day' } },
})

describe('the arguments of a tool, for people', () => {
  it('are a row each, objects opened', () => {
    expect(argumentRows(SCHEMA).map(({ name, type, isRequired, fallback, description }) => [name, type, isRequired, fallback, description])).toEqual([
      ['city', 'string', true, '', 'Where'],
      ['unit', 'c | f', false, '"c"', ''],
      ['tags', 'array of string', false, '', ''],
      ['at', 'object', true, '', ''],
      ['at.lat', 'number', true, '', ''],
      ['at.lon', 'number or null', false, '', ''],
      ['day', 'string (date)', false, '', 'Day'],
    ])
  })

  it('have an example that a shell takes', () => {
    expect(exampleWords(SCHEMA)).toEqual(['city=text', `'at:={"lat":1}'`])
    expect(exampleWords(schemaNode({ properties: { a: { type: 'string', examples: ["it's"] } } }))).toEqual([`'a=it'\\''s'`])
  })

  it('of a prompt are text', () => {
    const node = promptSchema({ name: 'p', arguments: [{ name: 'topic', required: true, description: 'What of' }, { name: 'tone' }] })
    expect(argumentRows(node).map(({ name, type, isRequired }) => [name, type, isRequired])).toEqual([['topic', 'string', true], ['tone', 'string', false]])
  })
})

describe('a word of a shell', () => {
  it.each([['plain=1', 'plain=1'], ['a b', "'a b'"], ['$(x)', "'$(x)'"], ['', "''"], ["'", `''\\'''`]])('quotes %j as %s', (text, word) => {
    expect(shellWord(text)).toBe(word)
  })
})
