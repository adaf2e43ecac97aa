import { describe, expect, it } from 'vitest'
import { choiceProblem, fieldHint, formFields, parseAnswer } from './form-field.ts'
import type { FormField } from './form-field.ts'

function fieldOf(schema: unknown, isRequired = false): FormField {
  const field = formFields({ type: 'object', properties: { field: schema }, required: isRequired ? ['field'] : [] })?.[0]
  if (field === undefined) throw new Error('no field')
  return field
}

function answered(schema: unknown, answer: string, isRequired = false): unknown {
  const field = fieldOf(schema, isRequired)
  if (field.kind !== 'text' && field.kind !== 'number') throw new Error(field.kind)
  const parsed = parseAnswer(field, answer)
  return parsed.ok ? parsed.value : parsed.problem
}

describe('a field of a form', () => {
  it('is read from every schema that forms may have', () => {
    expect(fieldOf({ type: 'string', title: 'T', description: 'D', default: 'x' })).toMatchObject({ kind: 'text', label: 'T', description: 'D', initial: 'x', isRequired: false })
    expect(fieldOf({ type: 'integer', minimum: 1 }, true)).toMatchObject({ kind: 'number', isInteger: true, minimum: 1, maximum: Infinity, isRequired: true })
    expect(fieldOf({ type: 'boolean', default: false })).toMatchObject({ kind: 'boolean', initial: false })
    const choices = [{ value: 'a', title: 'Alpha' }, { value: 'b', title: 'b' }]
    expect(fieldOf({ type: 'string', enum: ['a', 'b'], enumNames: ['Alpha'], default: 'b' })).toMatchObject({ kind: 'one', choices, initial: 'b' })
    expect(fieldOf({ type: 'string', oneOf: [{ const: 'a', title: 'Alpha' }, { const: 'b' }] })).toMatchObject({ kind: 'one', choices })
    expect(fieldOf({ type: 'array', items: { type: 'string', enum: ['a', 'b'] }, default: ['b'] })).toMatchObject({ kind: 'several', initial: ['b'], minItems: 0 })
    expect(fieldOf({ type: 'array', items: { anyOf: [{ const: 'a', title: 'Alpha' }, { const: 'b', title: 'b' }] }, maxItems: 1 })).toMatchObject({ kind: 'several', choices, maxItems: 1 })
  })

  it('is unknown where the schema is none of a form, whatever it holds', () => {
    for (const schema of [{ type: 'object' }, { type: 'array', items: { type: 'number' } }, { type: 'null' }, {}, null, 'string']) {
      expect(fieldOf(schema).kind).toBe('unknown')
    }
    for (const schema of [undefined, null, {}, { properties: 1 }]) expect(formFields(schema)).toBeUndefined()
  })

  it('survives defaults and limits of the wrong type', () => {
    expect(fieldOf({ type: 'string', default: 5, minLength: 'x', title: 7 })).toMatchObject({ kind: 'text', initial: undefined, minLength: 0, label: 'field' })
    expect(fieldOf({ type: 'string', enum: ['a'], default: 'b' })).toMatchObject({ kind: 'one', initial: undefined })
    expect(fieldOf({ type: 'string', enum: [] })).toMatchObject({ kind: 'text' })
  })

  it('is suspect where it looks like a password or a key', () => {
    const isSecret = (name: string, rest: object = {}): boolean => formFields({ type: 'object', properties: { [name]: { type: 'string', ...rest } } })?.[0]?.isSecret === true
    for (const name of ['password', 'user_password', 'apiKey', 'api-key', 'API_KEY', 'accessToken', 'client_secret', 'passphrase', 'pin', 'otp', 'private_key', 'cvv', 'passwd', 'pwd']) {
      expect([name, isSecret(name)]).toEqual([name, true])
    }
    for (const name of ['name', 'opinion', 'spinner', 'email', 'compass', 'key', 'keyboard', 'passenger']) expect([name, isSecret(name)]).toEqual([name, false])
    expect(isSecret('x', { title: 'Your password' })).toBe(true)
    expect(isSecret('x', { description: 'Paste your API key here' })).toBe(true)
  })
})

describe('an answer', () => {
  it('is left out where it is empty and optional, and asked for where it is required', () => {
    expect(answered({ type: 'string' }, '')).toBeUndefined()
    expect(answered({ type: 'number' }, '', true)).toBe('An answer is required.')
  })

  it('is counted in characters', () => {
    expect(answered({ type: 'string', maxLength: 2 }, '👍🏽'.slice(0, 4))).toBe('👍🏽')
    expect(answered({ type: 'string', minLength: 3 }, 'ab')).toBe('Too short: at least 3 characters, not 2.')
    expect(answered({ type: 'string', maxLength: 3 }, 'abcd')).toBe('Too long: at most 3 characters, not 4.')
  })

  const FORMATS = {
    email: [['a@b.example', 'a.b+c@d.example', 'a@localhost'], ['a', 'a@', '@b', 'a b@c.example', 'a@b..example', 'a@@b.example']],
    uri: [['https://example.com', 'mailto:a@b.example', 'urn:isbn:1'], ['example.com', '/path', 'https://', 'https://a b.example']],
    date: [['2026-07-28', '2024-02-29'], ['2026-7-28', '2026-02-29', '2026-13-01', '28.07.2026', '2026-07-28T00:00:00Z']],
    'date-time': [['2026-07-28T12:00:00Z', '2026-07-28t12:00:00.5+02:00', '2016-12-31T23:59:60Z'], ['2026-07-28', '2026-07-28T12:00:00', '2026-07-28T25:00:00Z', '2026-02-30T12:00:00Z', '2026-07-28T12:00:00+25:00']],
  }
  for (const [format, [right = [], wrong = []]] of Object.entries(FORMATS)) {
    it(`of format ${format} is checked`, () => {
      for (const answer of right) expect([answer, answered({ type: 'string', format }, answer)]).toEqual([answer, answer])
      for (const answer of wrong) expect([answer, answered({ type: 'string', format }, answer)]).toEqual([answer, expect.stringMatching(/^Not an? /)])
    })
  }

  it('is a number within its range, and exact', () => {
    const schema = { type: 'number', minimum: 0, maximum: 10 }
    expect(['0', '10', ' 2.5 ', '1e1', '.5'].map((answer) => answered(schema, answer))).toEqual([0, 10, 2.5, 10, 0.5])
    expect(['-1', '10.1'].map((answer) => answered(schema, answer))).toEqual(['Too small: at least 0.', 'Too large: at most 10.'])
    for (const answer of ['x', '1x', '0x10', '1,5', 'Infinity', 'NaN', '--1', ' ']) expect(answered(schema, answer)).toBe('Not a number.')
    expect(answered({ type: 'integer' }, '1.5')).toBe('Not a whole number.')
    expect(answered({ type: 'integer' }, '1.0')).toBe(1)
    expect(answered({ type: 'integer' }, '9007199254740993')).toBe('Too large to be sent exactly.')
  })

  it('of several choices keeps to their number', () => {
    const field = fieldOf({ type: 'array', minItems: 2, maxItems: 3, items: { enum: ['a', 'b', 'c', 'd'] } }, true)
    if (field.kind !== 'several') throw new Error(field.kind)
    expect([0, 1, 2, 3, 4].map((count) => choiceProblem(field, count))).toEqual(['Choose at least 2.', 'Choose at least 2.', undefined, undefined, 'Choose at most 3, not 4.'])
    expect(choiceProblem({ ...field, isRequired: false }, 0)).toBeUndefined()
  })
})

describe('the hint beside a field', () => {
  it('says what an answer may be', () => {
    expect(fieldHint(fieldOf({ type: 'string' }))).toBe('')
    expect(fieldHint(fieldOf({ type: 'string', format: 'date', maxLength: 10 }))).toBe('date, like 2026-07-28, at most 10 characters')
    expect(fieldHint(fieldOf({ type: 'integer', minimum: 0, maximum: 9 }))).toBe('whole number, 0 to 9')
    expect(fieldHint(fieldOf({ type: 'number', minimum: -1.5 }))).toBe('number, at least -1.5')
    expect(fieldHint(fieldOf({ type: 'array', minItems: 1, maxItems: 3, items: { enum: ['a', 'b', 'c'] } }))).toBe('at least 1')
    expect(fieldHint(fieldOf({ type: 'array', minItems: 2, maxItems: 2, items: { enum: ['a', 'b', 'c'] } }))).toBe('exactly 2')
  })
})
