import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { asciiJson, member, readJson, readString, toWireText, utf8Of } from './json.ts'
import { scanJson } from './json-scan.ts'
import type { JsonNode, JsonPlan, JsonScan } from './json.ts'

/** Opens everything. */
const ALL: JsonPlan = deepPlan(8)

function deepPlan(levels: number): JsonPlan {
  return levels === 0 ? {} : { '*': deepPlan(levels - 1) }
}

const scan = (text: string, plan: JsonPlan = ALL, maxDepth?: number): JsonScan => scanJson(toWireText(text), plan, maxDepth)

function parses(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function node(text: string, plan: JsonPlan = ALL): JsonNode {
  const result = scan(text, plan)
  return result.ok ? result.value : expect.fail(`${result.fault.reason} at ${result.fault.at}`)
}

function faultOf(text: string, plan?: JsonPlan, maxDepth?: number): unknown {
  const result = scan(text, plan, maxDepth)
  return result.ok ? expect.fail(`accepted ${text.slice(0, 40)}`) : result.fault
}

const ACCEPTED = [
  'null', 'true', 'false', '0', '-0', '-1', '10', '1.5', '-0.0', '1e5', '1E+5', '1e-5', '0e0', '1.25e+10', '123456789012345678901234567890',
  '1e999', '""', '"a"', '"\\u0000"', '"\\ud800"', '"\\udc00\\ud800"', '"\\uD83D\\uDE00"', '"\\"\\\\\\/\\b\\f\\n\\r\\t"', '"\u2028\u2029"', '"é😀"',
  '"\u007f"', '"\u0080"', '"\ufeff"', '[]', '[ ]', '{}', '{ }', '[1,2]', '[1 , 2]', '[[],{}]', '{"a":1}', '{"":0}', '{"a":{"b":[null]}}', ' \t\r\n1 \t\r\n',
  '{"a" : 1 , "b" : 2}', '{"\\u0061":1}', '{"__proto__":1}', '"\u{10ffff}"',
]

const REJECTED = [
  '', ' ', '-', '+1', '01', '-01', '00', '1.', '.5', '-.5', '1e', '1e+', '1.e5', '1.5.5', '0x10', '1_000', 'Infinity', 'NaN', '-Infinity', '１',
  'nul', 'True', 'truee', 'undefined', 'nulll', '"', '"a', '"\\', '"\\"', '"\\x"', '"\\u"', '"\\u12"', '"\\u12G4"', '"\\U0041"', '"\\u 041"', '"\\\'"',
  '"\u0000"', '"\u001f"', '"\n"', '"\t"', '"\r"', "'a'", '[', ']', '[1', '[1,', '[1,]', '[,1]', '[,]', '[1 2]', '[1,,2]', '[1}', '{', '}', '{"a"', '{"a":',
  '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '{,"a":1}', '{"a" 1}', '{"a":}', '{a:1}', "{'a':1}", '{1:1}', '{"a":1]', '{"a":1 "b":2}', '{"a"::1}', '{null:1}',
  '1 1', '{}{}', '[]]', '1,', '// a\n1', '/**/1', '1//', '#', '\ufeff1', '\ufeff{}', '\u00a01', '1\u00a0', '\u20281', '\u000b1', '\u000c1', '\u00001', '1\u0000',
  '[\u000b]', '"a"b', '*', '{"a":1,"b"}', '[1:2]', '\\n1', '"\\ud800', '[-]', '[1e]', '[01]', '{"a":01}', '[1.]', '[.1]',
]

describe('what is JSON', () => {
  it.each(ACCEPTED)('takes %j', (text) => {
    expect(parses(text)).toBe(true)
    for (const plan of [{}, ALL]) expect(scan(text, plan)).toMatchObject({ ok: true })
  })

  it.each(REJECTED)('refuses %j', (text) => {
    expect(parses(text)).toBe(false)
    for (const plan of [{}, ALL]) expect(scan(text, plan)).toMatchObject({ ok: false, fault: { reason: 'syntax' } })
  })

  it.each(REJECTED.filter((text) => text.trim() !== ''))('refuses %j within an array and within an object', (text) => {
    for (const whole of [`[${text}]`, `{"a":${text}}`, `{"a":[0,${text},0]}`]) {
      if (parses(whole)) continue
      for (const plan of [{}, ALL]) expect(scan(whole, plan)).toMatchObject({ ok: false })
    }
  })

  it('is what JSON.parse says it is, whatever single character is changed, added or lost', () => {
    const pieces = ['"', '\\', '{', '}', '[', ']', ',', ':', '0', '1', '-', '+', '.', 'e', 'E', 'u', 't', 'n', ' ', '\n', '\t', '\u0000', '\u001f', 'é', '\ufeff', '\u2028', 'a', '/']
    const change = fc.record({ at: fc.nat(), kind: fc.constantFrom('change', 'add', 'lose'), with: fc.constantFrom(...pieces) })
    fc.assert(
      fc.property(fc.json({ maxDepth: 4, stringUnit: 'binary' }), change, (json, { at, kind, with: piece }) => {
        const from = at % (json.length + 1)
        const text = json.slice(0, from) + (kind === 'lose' ? '' : piece) + json.slice(kind === 'add' ? from : from + 1)
        // A surrogate cut in half is no text.
        fc.pre(text.isWellFormed())
        expect(scan(text, {}, 1_000)).toMatchObject({ ok: parses(text) && !repeatsKey(text, {}) })
      }),
      { numRuns: 5_000 },
    )
  })

  it('is what JSON.parse says it is, for any sequence of tokens', () => {
    const token = fc.constantFrom('{', '}', '[', ']', ',', ':', '"a"', '"b"', '1', '-', '0', '.', 'e', 'true', 'null', ' ', '"', '\\', '{"c":', '[]')
    fc.assert(
      fc.property(fc.array(token, { maxLength: 9 }), (tokens) => {
        const text = tokens.join('')
        expect(scan(text, {}).ok).toBe(parses(text) && !repeatsKey(text, {}))
      }),
      { numRuns: 20_000 },
    )
  })
})

/** Whether the scan refused it for a repeated key: the one thing in which it is stricter than JSON.parse. */
function repeatsKey(text: string, plan: JsonPlan): boolean {
  const result = scan(text, plan, 1_000)
  return !result.ok && result.fault.reason === 'duplicate_key'
}

describe('strings longer than what is walked a character at a time', () => {
  const lengths = [0, 1, 2, 90, 93, 94, 95, 96, 97, 98, 99, 100, 101, 110, 200]
  const hazards = ['"', '\\"', '\\\\', '\\', '\\\\"', '\\\\\\"', '\\n', '\\u0041', '\\ud83d\\ude00', '\\u00', '\\uZZZZ', '\\x', '\n', '\u0000', '\u001f', '\u007f', 'é', '😀', '\u2028', '\ufeff']

  it.each(hazards)('are judged as JSON.parse does with %j at every position', (hazard) => {
    for (const before of lengths) {
      for (const after of [0, 1, 5, 96, 150]) {
        for (const text of [`"${'a'.repeat(before)}${hazard}${'b'.repeat(after)}"`, `["${'a'.repeat(before)}${hazard}${'b'.repeat(after)}","c"]`]) {
          expect(scan(text, {}).ok, `${before} ${after}`).toBe(parses(text))
          expect(scan(text, ALL).ok, `${before} ${after}`).toBe(parses(text))
        }
      }
    }
  })

  it('are judged so as keys too, and read as they are', () => {
    for (const hazard of hazards) {
      for (const before of [0, 95, 96, 97, 150]) {
        const text = `{"${'a'.repeat(before)}${hazard}":1}`
        expect(scan(text).ok).toBe(parses(text))
        if (parses(text)) expect([...(node(text).members ?? [])].map(([key]) => key)).toEqual(Object.keys(JSON.parse(text)))
      }
    }
  })

  it('end where they end, with any mix of escapes', () => {
    const piece = fc.constantFrom('a'.repeat(40), '\\\\', '\\"', 'é', '\\u0041', '\\n', 'x')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const text = `["${pieces.join('')}", 7]`
        const items = node(text).items ?? []
        expect(items.map((item) => item.kind)).toEqual(['string', 'number'])
        expect(readString(toWireText(text), items[0])).toBe((JSON.parse(text) as unknown[])[0])
      }),
      { numRuns: 1_000 },
    )
  })

  it('cost no more than their length, however many quotes and backslashes they hold', () => {
    for (const unit of ['\\"', '\\\\', '\\\\\\"', 'a"']) {
      const text = `"${unit.repeat(200_000)}"`
      const start = process.threadCpuUsage()
      expect(scan(text, {}).ok).toBe(unit !== 'a"')
      expect(process.threadCpuUsage(start).user / 1_000).toBeLessThan(1_000)
    }
  })
})

describe('bytes', () => {
  it.each([
    ['"\xff"', 'never in UTF-8'], ['"\xc3"', 'cut short'], ['"\xc0\xaf"', 'overlong'], ['"\xed\xa0\x80"', 'a surrogate'], ['"\xf4\x90\x80\x80"', 'beyond Unicode'],
    [`"${'a'.repeat(200)}\xc3"`, 'cut short, far in'], ['{"\xff":1}', 'a key'],
  ])('%j are refused: %s', (text) => {
    expect(scanJson(text, {})).toMatchObject({ ok: false, fault: { reason: 'encoding' } })
  })

  it.each(['\xef\xbb\xbf{}', '\xc2\xa0{}', '{}\xe2\x80\xa8'])('%j outside strings are refused', (text) => {
    expect(scanJson(text, {})).toMatchObject({ ok: false, fault: { reason: 'syntax', at: expect.any(Number) } })
  })

  it('are the same text both ways', () => {
    fc.assert(fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(utf8Of(toWireText(text))).toBe(text)
      expect(Buffer.from(toWireText(text), 'latin1')).toEqual(Buffer.from(text, 'utf8'))
      expect(JSON.parse(asciiJson(text))).toBe(text)
      expect(asciiJson(text)).toMatch(/^[\x20-\x7e]*$/)
    }))
  })
})

describe('depth', () => {
  const nest = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`

  it('is 128 unless told', () => {
    for (const plan of [{}, deepPlan(200)]) {
      expect(scan(nest(128), plan).ok).toBe(true)
      expect(faultOf(nest(129), plan)).toMatchObject({ reason: 'depth', at: 128 })
    }
    expect(scan(`{"a":${nest(127)}}`, {}).ok).toBe(true)
    expect(faultOf(`{"a":${nest(128)}}`, {})).toMatchObject({ reason: 'depth' })
    expect(scan('{"a":{"b":{}}}', {}, 3).ok).toBe(true)
    expect(faultOf('{"a":{"b":{}}}', {}, 2)).toMatchObject({ reason: 'depth' })
    expect(faultOf('{"a":{"b":{}}}', { a: { b: {} } }, 2)).toMatchObject({ reason: 'depth' })
  })

  it('of ten thousand is refused, closed or not', () => {
    for (const text of [nest(10_000), '['.repeat(10_000), '{"a":'.repeat(10_000), '[{"":'.repeat(10_000)]) {
      for (const plan of [{}, deepPlan(200)]) expect(faultOf(text, plan)).toMatchObject({ reason: 'depth' })
    }
  })

  it('counts what is open, not what was', () => {
    expect(scan(`[${'[],'.repeat(1_000)}{}]`, {}, 2).ok).toBe(true)
  })
})

describe('repeated keys', () => {
  it.each([
    ['{"a":1,"a":2}', 'a'], ['{"a":1,"b":2,"a":3}', 'a'], ['{"a":1,"\\u0061":2}', 'a'], ['{"é":1,"\\u00e9":2}', 'é'], ['{"":1,"":2}', ''],
    ['{"__proto__":1,"__proto__":2}', '__proto__'], ['{"a\\/b":1,"a/b":2}', 'a/b'], ['{"\\ud83d\\ude00":1,"😀":2}', '😀'],
  ])('in an opened object: %j', (text, key) => {
    expect(faultOf(text, {})).toMatchObject({ reason: 'duplicate_key', key })
    expect(faultOf(`{"x":${text}}`, { x: {} })).toMatchObject({ reason: 'duplicate_key', key })
  })

  it('are nobody\'s business in a closed one', () => {
    expect(scan('{"x":{"a":1,"a":2}}', {}).ok).toBe(true)
  })

  it('are not what only looks alike', () => {
    expect(scan('{"a":1,"A":2,"a ":3,"aa":4,"":5,"á":6,"a\u0301":7}', {}).ok).toBe(true)
  })

  it('are found at a cost that many keys do not square', () => {
    const many = `{${Array.from({ length: 100_000 }, (_, index) => `"key${index}":0`).join(',')},"key5":1}`
    const start = process.threadCpuUsage()
    expect(faultOf(many, {})).toMatchObject({ reason: 'duplicate_key', key: 'key5' })
    expect(process.threadCpuUsage(start).user / 1_000).toBeLessThan(2_000)
  })

  it('are found among any keys', () => {
    const key = fc.constantFrom('a', 'b', 'é', '😀', '', 'a"b', '\\', '\n', '__proto__', 'toString')
    const written = fc.tuple(key, fc.boolean()).map(([text, escaped]) => (escaped ? asciiJson(text) : JSON.stringify(text)))
    fc.assert(fc.property(fc.array(written, { maxLength: 6 }), (keys) => {
      const text = `{${keys.map((one) => `${one}:0`).join(',')}}`
      expect(repeatsKey(text, {})).toBe(new Set(keys.map((one) => JSON.parse(one))).size < keys.length)
    }))
  })
})

describe('where values stand', () => {
  /** What the nodes say, as a value: every opened node is checked against its span. */
  function rebuild(text: string, at: JsonNode): unknown {
    const span = text.slice(at.start, at.end)
    expect(span).toBe(span.trim())
    if (at.members !== undefined) {
      for (const [key, one] of at.members) expect(JSON.parse(utf8Of(text.slice(one.keyStart)).match(/^"(?:[^"\\]|\\.)*"/s)?.[0] ?? '')).toBe(key)
      return Object.fromEntries([...at.members].map(([key, { value }]) => [key, rebuild(text, value)]))
    }
    if (at.items !== undefined) return at.items.map((item) => rebuild(text, item))
    return JSON.parse(utf8Of(span))
  }

  it('is exact, with any spaces between tokens, as deep as the plan opens', () => {
    const space = fc.constantFrom('', ' ', '\n\t', ' \r\n ')
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' }), space, fc.nat({ max: 6 }), (value, gap, levels) => {
        const spaced = (one: unknown): string => {
          if (Array.isArray(one)) return `[${gap}${one.map(spaced).join(`${gap},${gap}`)}${gap}]`
          if (typeof one !== 'object' || one === null) return JSON.stringify(one)
          return `{${gap}${Object.entries(one).map(([key, inner]) => `${JSON.stringify(key)}${gap}:${gap}${spaced(inner)}`).join(`${gap},${gap}`)}${gap}}`
        }
        const text = toWireText(`${gap}${spaced(value)}${gap}`)
        const result = scanJson(text, deepPlan(levels))
        expect(rebuild(text, result.ok ? result.value : expect.fail())).toEqual(JSON.parse(utf8Of(text)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('is opened by name, by star, and no further', () => {
    const root = node('{"a":{"b":{"c":1}},"d":[{"e":1}],"f":{}}', { a: { b: {} }, d: { '*': {} } })
    expect(member(member(member(root, 'a'), 'b'), 'c')).toMatchObject({ kind: 'number' })
    expect(member(root, 'd')?.items?.[0]?.members?.has('e')).toBe(true)
    expect(member(root, 'f')).toMatchObject({ kind: 'object', members: undefined })
    expect(member(node('[{"a":1}]', {}), 'a')).toBeUndefined()
    expect(node('[1]', {}).items).toBeUndefined()
    expect(member(node('{"constructor":{"a":1}}', {}), 'constructor')).toMatchObject({ members: undefined })
  })

  it('knows no inherited member', () => {
    const root = node('{}')
    for (const key of ['constructor', '__proto__', 'toString', 'size']) expect(member(root, key)).toBeUndefined()
    expect(member(undefined, 'a')).toBeUndefined()
  })

  it('finds a member by its name however it is written', () => {
    expect(member(node('{"\\u0061":1}'), 'a')?.kind).toBe('number')
    expect(member(node('{"é":1}'), 'é')?.kind).toBe('number')
    expect(member(node('{"a\\"b":1}'), 'a"b')?.kind).toBe('number')
    for (const key of ['', 'a', 'ab', 'abcd']) expect(member(node('{"abc":1}'), key)).toBeUndefined()
  })

  it('reads strings and nothing else as strings', () => {
    const text = toWireText('["é\\n😀\\ud800",1,null]')
    const items = node('["é\\n😀\\ud800",1,null]').items ?? []
    expect(items.map((item) => readString(text, item))).toEqual(['é\n😀\ud800', undefined, undefined])
    expect(readString(text, undefined)).toBeUndefined()
    expect(items.map((item) => readJson(text, item))).toEqual(['é\n😀\ud800', 1, null])
  })
})
