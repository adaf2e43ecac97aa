import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { member, toWireText } from './json.ts'
import type { JsonNode, JsonPlan } from './json.ts'
import { scanJson } from './json-scan.ts'
import { createJsonStream } from './json-stream.ts'
import type { JsonStreamOptions } from './json-stream.ts'
import { NEEDS_WHOLE, UNEXPECTED, responsePlan } from './json-stream-plan.ts'
import type { JsonStreamFault, JsonStreamPlan, OpenPlan, ReplacePlan } from './json-stream-plan.ts'
import { parseMessage } from './message.ts'
import { splice } from './splice.ts'
import type { Change } from './splice.ts'

interface Run {
  readonly out: string
  readonly fault: JsonStreamFault | undefined
}

function run(chunks: readonly string[], options: JsonStreamOptions): Run {
  const stream = createJsonStream(options)
  let out = ''
  for (const chunk of chunks) {
    const step = stream.push(chunk)
    if (!step.ok) return { out, fault: step.fault }
    out += step.out
  }
  const step = stream.end()
  return step.ok ? { out: out + step.out, fault: undefined } : { out, fault: step.fault }
}

/** `text` cut at the places, which are shares of its length. */
function cut(text: string, shares: readonly number[]): string[] {
  const places = shares.map((share) => Math.floor(share * (text.length + 1))).toSorted((a, b) => a - b)
  return [0, ...places].map((from, index) => text.slice(from, places[index] ?? text.length))
}

const open = (members: Record<string, JsonStreamPlan>, more: Partial<OpenPlan> = {}): OpenPlan => ({ kind: 'open', members, ...more })
const marked: ReplacePlan = { kind: 'replace', replace: (text) => `"<${text.length}>"` }
const DROP: JsonStreamPlan = { kind: 'drop' }

/** What `scanJson` opens for a plan; only an opened value may stand beside `*`. */
function scanPlanOf(plan: OpenPlan): JsonPlan {
  const entries = Object.entries(plan.members).map(([key, inner]) => [key, inner.kind === 'open' ? scanPlanOf(inner) : undefined] as const)
  return Object.fromEntries(entries) as JsonPlan
}

function changesOf(text: string, node: JsonNode, plan: JsonStreamPlan | undefined): Change[] {
  if (plan?.kind === 'replace') {
    const replaced = plan.replace(text.slice(node.start, node.end))
    return typeof replaced === 'string' ? [{ node, text: replaced }] : []
  }
  if (plan?.kind !== 'open') return []
  const inner: Change[] = (node.items ?? []).flatMap((item) => changesOf(text, item, plan.members['*']))
  const remove: string[] = []
  const there: string[] = []
  for (const [key, { value }] of node.members ?? []) {
    const own = Object.hasOwn(plan.members, key) ? plan.members[key] : plan.members['*']
    if (own?.kind === 'drop') remove.push(key)
    else there.push(key)
    inner.push(...changesOf(text, value, own))
  }
  const set = Object.fromEntries(Object.entries(plan.add ?? {}).filter(([key]) => !there.includes(key)))
  return node.members === undefined ? inner : [...inner, { node, set, remove }]
}

/** What the whole text becomes; undefined where it is refused. */
function whole(text: string, plan: OpenPlan, maxDepth?: number): string | undefined {
  const scan = scanJson(text, scanPlanOf(plan), maxDepth)
  return scan.ok ? splice(text, changesOf(text, scan.value, plan)) : undefined
}

const space = fc.constantFrom('', '', '', ' ', '\n', '\t\r\n  ')
const key = fc.constantFrom('id', 'result', 'x', '*', 'é', '😀', '', 'a"b', 'long key that is no copy', '__proto__', '\ud800')
const string = fc.oneof(fc.string({ unit: 'binary', maxLength: 8 }), key, fc.constantFrom('a'.repeat(200), 'é'.repeat(90), '\\\n"'.repeat(40)))
const stringText = fc.tuple(string, fc.boolean()).map(([text, isEscaped]) => {
  const hex = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  return isEscaped ? `"${text.replace(/[^]/g, hex).replaceAll('\\u002f', '\\/')}"` : JSON.stringify(text)
})
const keyText = fc.oneof(key.map((one) => JSON.stringify(one)), key.map((one) => JSON.stringify(one)), stringText)
const numberText = fc.oneof(
  fc.double({ noDefaultInfinity: true, noNaN: true }).map((value) => JSON.stringify(value)),
  fc.constantFrom('0', '-0', '1E+9', '0e-1', '-12.50', '123456789012345678901234567890', '1e400'),
)
const scalar = fc.oneof(stringText, numberText, fc.constantFrom('true', 'false', 'null'))

/** JSON as text, in any spelling, with the keys that plans name; keys may repeat. */
const jsonText = fc.letrec<{ value: string; array: string; object: string }>((tie) => {
  const spaced = (text: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.tuple(space, text, space).map((parts) => parts.join(''))
  const list = (item: fc.Arbitrary<string>): fc.Arbitrary<string> =>
    fc.tuple(fc.array(spaced(item), { maxLength: 5 }), space).map(([items, gap]) => (items.length === 0 ? gap : items.join(',')))
  const pair = fc.tuple(keyText, space, space, tie('value')).map(([name, before, after, value]) => `${name}${before}:${after}${value}`)
  return {
    value: fc.oneof({ maxDepth: 5, withCrossShrink: true }, scalar, tie('object'), tie('array')),
    array: list(tie('value')).map((items) => `[${items}]`),
    object: list(pair).map((pairs) => `{${pairs}}`),
  }
})
const text = fc.tuple(space, fc.oneof({ arbitrary: jsonText.object, weight: 4 }, jsonText.value), space).map((parts) => toWireText(parts.join('')))
const shares = fc.oneof(fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { maxLength: 12 }), fc.constant('each' as const))
const pieces = (wire: string, at: readonly number[] | 'each'): string[] => (at === 'each' ? [...wire] : cut(wire, at))

const PLANS: readonly OpenPlan[] = [
  open({}),
  open({ id: marked, result: open({ x: marked, id: open({ '*': open({}) }) }) }),
  open({ '*': open({ '*': marked }) }),
  open({ result: open({ '*': open({ id: marked }) }), id: open({ '*': open({}) }), x: marked, 'é': marked, '\ud800': marked }),
  open({ id: DROP, x: DROP, result: open({ id: DROP, result: marked, '*': open({ x: DROP }) }) }),
  open({ id: DROP, result: open({ x: DROP, 'a"b': DROP }, { add: { id: '7', 'é': '[ ]' } }) }, { add: { id: '1', x: '"new"' } }),
  open({ '*': DROP }),
  open({ '*': DROP }, { add: { x: '0' } }),
  open({ '*': open({}, { add: { x: '{}', y: '1' } }) }),
]
const plan = fc.constantFrom(...PLANS)

describe('a stream', () => {
  it('gives out what splicing the whole text gives, however it is cut and spelled', () => {
    fc.assert(fc.property(text, plan, shares, fc.nat({ max: 200 }), (wire, one, at, holdBytes) => {
      const { out, fault } = run(pieces(wire, at), { plan: one, holdBytes })
      expect(fault === undefined ? out : undefined).toBe(whole(wire, one))
    }), { numRuns: 2_000 })
  })

  it('refuses what the scan of the whole text refuses, whatever was broken', () => {
    const bytes = fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', '0', '-', '.', 'e', 'u', 't', ' ', '\n', '\0', '\x1f', '\x7f', '\x80', '\xa0', '\xc0', '\xed', '\xf4', '\xff', '')
    const damage = fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat({ max: 2 }), bytes)
    let refused = 0
    fc.assert(fc.property(text, plan, shares, fc.array(damage, { minLength: 1, maxLength: 3 }), fc.nat({ max: 6 }), (wire, one, at, damages, maxDepth) => {
      let broken = wire
      for (const [share, length, byte] of damages) {
        const from = Math.floor(share * (broken.length + 1))
        broken = broken.slice(0, from) + byte + broken.slice(from + length)
      }
      const { out, fault } = run(pieces(broken, at), { plan: one, maxDepth })
      const expected = whole(broken, one, maxDepth)
      if (expected === undefined) refused += 1
      expect(fault === undefined ? out : undefined).toBe(expected)
    }), { numRuns: 5_000 })
    expect(refused).toBeGreaterThan(1_000)
  })

  it.each([
    '', ' ', '{', '{"a"', '{"a":', '{"a":1', '{"a":1,', '{"a":1,}', '{,}', '[,]', '[1,]', '[1 2]', '{"a" 1}', '{"a":1]', '[1}', '{}{}', '1 1', '1,', '}', ']', '{1:1}',
    'tru', 'truE', 'nul', 'falsey', 'truefalse', '01', '-', '-a', '1.', '.5', '1e', '1e+', '+1', '0x1', '1.e1', '--1', 'NaN', '1-', '-01',
    '"', '"\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\u123"', '"\\u123x"', '"\\u"', '"\n"', '"\0"', '"\t"', "'a'", '\u00a01', '1\u00a0', '\ufeff1', '/**/1',
    '"\xff"', '"\xc3"', '"\xc3', '"\xc0\xaf"', '"\xed\xa0\x80"', '"\xf4\x90\x80\x80"', '"\xe2\x82"', '"\xf0\x9f\x98"', '"\xf8\x88\x80\x80\x80"', '"\x80"', '{"\xff":1}', '"\xe2\x28\xa1"',
  ])('refuses %j in one piece and byte by byte', (broken) => {
    expect(scanJson(broken, {}).ok).toBe(false)
    for (const chunks of [[broken], [...broken]]) expect(run(chunks, { plan: open({}) }).fault?.reason).toMatch(/^(?:syntax|encoding)$/)
  })

  it('reads long strings in native code as strictly', () => {
    for (const place of [0, 90, 95, 96, 97, 98, 200, 4_000, 4_191, 4_192, 4_193, 8_288, 9_000]) {
      for (const inner of ['"', '\\"', '\\', '\\\\', '\\u00e9', '\\u00', '\n', '\0', '\x1f', ' ', '\x7f', '\xc3\xa9', '\xa9', '\xff']) {
        const wire = `{"a":"${'a'.repeat(place)}${inner}${'b'.repeat(9_000 - place)}"}`
        const parts = [[wire], cut(wire, [0.3]), cut(wire, [place / wire.length]), cut(wire, [(place + 7) / wire.length])]
        for (const chunks of parts) expect(run(chunks, { plan: open({}) }).fault === undefined, `${inner} at ${place}`).toBe(scanJson(wire, {}).ok)
      }
    }
  })

  it('says where and why', () => {
    const faultOf = (chunks: string[], one = open({}), maxDepth?: number): JsonStreamFault | undefined =>
      run(chunks, { plan: one, ...(maxDepth === undefined ? {} : { maxDepth }) }).fault
    expect(faultOf(['{"a"', ':1', ' x}'])).toEqual({ reason: 'syntax', at: 7 })
    expect(faultOf(['[[', '[]]]'], open({}), 2)).toEqual({ reason: 'depth', at: 2 })
    expect(faultOf(['{"a":1,', '"\\u0061', '":2}'])).toEqual({ reason: 'duplicate_key', at: 7, key: 'a' })
    expect(faultOf(['{"é', '":'].map(toWireText))).toEqual({ reason: 'syntax', at: 6 })
    expect(faultOf(['{"a":{}}'], open({ b: { ...marked, isRequired: true } }))).toEqual({ reason: 'missing', at: 7, key: 'b' })
    expect(faultOf(['[]'], open({}, { isObject: true }))).toEqual({ reason: 'unexpected', at: 0 })
    expect(faultOf(['{"a":"b"}'], open({ a: { kind: 'replace', replace: () => UNEXPECTED } }))).toEqual({ reason: 'unexpected', at: 8 })
  })

  it('is bounded in depth before anything else: 128 unless told', () => {
    const nest = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
    expect(run([nest(128)], { plan: open({}) }).out).toBe(nest(128))
    expect(run([nest(129)], { plan: open({ '*': open({ '*': open({}) }) }) }).fault).toEqual({ reason: 'depth', at: 128 })
    expect(run(['[{"":'.repeat(10_000)], { plan: open({}) }).fault).toMatchObject({ reason: 'depth' })
  })

  it('stays at its fault', () => {
    const stream = createJsonStream({ plan: open({}) })
    const refused = { ok: false, fault: { reason: 'syntax', at: 1 } }
    expect(stream.push('{x')).toEqual(refused)
    expect(stream.push('{}')).toEqual(refused)
    expect(stream.end()).toEqual(refused)
    expect(stream.original()).toBe('{x')
  })

  it('passes a chunk that no plan touches on as it is', () => {
    const stream = createJsonStream({ plan: open({ id: marked }) })
    const chunk = `"${'é'.repeat(20_000)}`
    expect(stream.push('{"a":')).toEqual({ ok: true, out: '{"a":' })
    expect(stream.push(toWireText(chunk))).toEqual({ ok: true, out: toWireText(chunk) })
  })
})

describe('what is observed', () => {
  it('is each value in its order, while it passes', () => {
    const seen: (string | undefined)[] = []
    const observed: JsonStreamPlan = { kind: 'observe', observe: (value) => seen.push(value) }
    const wire = '{"a":[1, 2],"b":{"c":true,"d":[ "x" ,{"a":1}]},"e":-1.5 }'
    for (const chunks of [[wire], [...wire]]) {
      seen.length = 0
      expect(run(chunks, { plan: open({ a: observed, b: open({ c: observed, d: open({ '*': observed }) }), e: observed }) }).out).toBe(wire)
      expect(seen).toEqual(['[1, 2]', 'true', '"x"', '{"a":1}', '-1.5'])
    }
  })

  it('is undefined where it is too long to be kept', () => {
    const seen: (string | undefined)[] = []
    const observed: JsonStreamPlan = { kind: 'observe', observe: (value) => seen.push(value) }
    for (const wire of ['{"a":"12345678","b":1}', '{"a":"1234567890123","b":1}']) {
      for (const chunks of [[wire], [...wire]]) expect(run(chunks, { plan: open({ a: observed, b: observed }), keepBytes: 10 }).out).toBe(wire)
    }
    expect(seen).toEqual(['"12345678"', '1', '"12345678"', '1', undefined, '1', undefined, '1'])
  })
})

describe('what is kept', () => {
  it.each([
    ['a value to replace', '{"a":"123456789"}', open({ a: marked })],
    ['a key', '{"a23456789":1}', open({})],
    ['all keys of an object', '{"a23":1,"b23":1,"c":1}', open({})],
    ['the space between members that may go', `{"a":1,${' '.repeat(11)}"b":1}`, open({ b: DROP })],
  ])('is bounded: %s', (_, wire, one) => {
    for (const chunks of [[wire], [...wire]]) {
      expect(run(chunks, { plan: one, keepBytes: 10 }).fault?.reason).toBe('bound')
      expect(run(chunks, { plan: one }).fault).toBeUndefined()
    }
  })

  it('is given up as soon as there is too much of it', () => {
    for (const [one, before] of [[open({ a: marked }), '{"a":"'], [open({}), '{"'], [open({ b: DROP }), '{']] as const) {
      const stream = createJsonStream({ plan: one, keepBytes: 10 })
      expect(stream.push(before).ok).toBe(true)
      expect(stream.push(' '.repeat(9)).ok).toBe(true)
      expect(stream.push('  ')).toMatchObject({ ok: false, fault: { reason: 'bound' } })
    }
  })

  it('tells long keys apart that no UTF-8 could', () => {
    const wire = '{"aaaaaaaaaaaaaaa\\ud800":1,"aaaaaaaaaaaaaaa\\ud801":2}'
    expect(run([wire], { plan: open({}) }).out).toBe(wire)
  })

  it('is not bounded by what passes', () => {
    const wire = `{"a":{"${'k'.repeat(5_000)}":1${' '.repeat(5_000)}},"b":"${'v'.repeat(5_000)}"}`
    expect(run(cut(wire, [0.1, 0.5, 0.7]), { plan: open({ c: marked }), keepBytes: 10 }).out).toBe(wire)
  })
})

describe('a stream that holds', () => {
  const wire = '{"id":1,"a":"0123456789","error":{}}'
  const refusing = open({ error: { kind: 'refuse' } })

  it('gives nothing out before its bytes came, then all', () => {
    const stream = createJsonStream({ plan: open({ id: marked }), holdBytes: 20 })
    expect(stream.push(wire.slice(0, 10))).toEqual({ ok: true, out: '' })
    expect(stream.push(wire.slice(10, 19))).toEqual({ ok: true, out: '' })
    expect(stream.original()).toBe(wire.slice(0, 19))
    expect(stream.push(wire.slice(19, 25))).toEqual({ ok: true, out: `{"id":"<1>"${wire.slice(7, 25)}` })
    expect(stream.original()).toBeUndefined()
    expect(stream.push(wire.slice(25))).toEqual({ ok: true, out: wire.slice(25) })
    expect(stream.end()).toEqual({ ok: true, out: '' })
  })

  it('gives all out at the end of a short text', () => {
    const stream = createJsonStream({ plan: open({ id: marked }), holdBytes: 1_000 })
    expect(stream.push(wire)).toEqual({ ok: true, out: '' })
    expect(stream.end()).toEqual({ ok: true, out: `{"id":"<1>"${wire.slice(7)}` })
  })

  it('has the whole text while nothing was passed on, so that its message can be handled whole', () => {
    const stream = createJsonStream({ plan: refusing, holdBytes: 36 })
    for (const chunk of cut(wire, [0.2, 0.4]).slice(0, 2)) expect(stream.push(chunk)).toEqual({ ok: true, out: '' })
    expect(stream.push(wire.slice(14))).toEqual({ ok: false, fault: { reason: 'needs_whole', at: 33 } })
    expect(stream.original()).toBe(wire)
  })

  it('is too late where bytes have left', () => {
    const stream = createJsonStream({ plan: refusing, holdBytes: 10 })
    expect(stream.push(wire.slice(0, 12))).toMatchObject({ ok: true })
    expect(stream.push(wire.slice(12))).toEqual({ ok: false, fault: { reason: 'too_late', at: 33 } })
    expect(stream.original()).toBeUndefined()
  })

  it('can be refused by a value', () => {
    const byValue = open({ id: { kind: 'replace', replace: () => NEEDS_WHOLE } })
    expect(run([wire], { plan: byValue }).fault).toEqual({ reason: 'needs_whole', at: 7 })
    expect(run([wire.slice(0, 2), wire.slice(2)], { plan: byValue }).fault).toEqual({ reason: 'too_late', at: 7 })
  })
})

describe('a guarded value', () => {
  it('passes where it is an object, unopened', () => {
    const guarded = open({ a: { kind: 'refuse', except: 'object' } })
    expect(run(['{"a":{"b":1,"b":2}}'], { plan: guarded }).out).toBe('{"a":{"b":1,"b":2}}')
    for (const wire of ['{"a":[]}', '{"a":1}', '{"a":"{}"}', '{"a":null}']) expect(run([wire], { plan: guarded }).fault?.reason).toBe('needs_whole')
  })
})

describe('a response', () => {
  const made = responsePlan({ idText: '7', clientIdText: '"c"', result: { requestState: marked } })

  it('gets the client\'s id and what its result is due', () => {
    const wire = '{"jsonrpc":"2.0","result":{"content":[{"id":7}],"requestState":"abc"},"id":7}'
    expect(run([...wire], { plan: made }).out).toBe('{"jsonrpc":"2.0","result":{"content":[{"id":7}],"requestState":"<5>"},"id":"c"}')
  })

  it('can gain and lose members of its result', () => {
    const edited = responsePlan({ idText: '7', clientIdText: '8', result: { ttlMs: DROP }, add: { resultType: '"complete"' } })
    const wire = '{"jsonrpc":"2.0","id":7,"result":{"content":[], "ttlMs":5 }}'
    expect(run([...wire], { plan: edited }).out).toBe('{"jsonrpc":"2.0","id":8,"result":{"content":[],"resultType":"complete" }}')
  })

  it.each([
    ['{"jsonrpc":"2.0","id":8,"result":{}}', 'unexpected'], ['{"jsonrpc":"2.0","id":"7","result":{}}', 'unexpected'], ['{"jsonrpc":"1.0","id":7,"result":{}}', 'unexpected'],
    ['{"jsonrpc":2.0,"id":7,"result":{}}', 'unexpected'], ['{"id":7,"result":{}}', 'missing'], ['{"jsonrpc":"2.0","result":{}}', 'missing'], ['{"jsonrpc":"2.0","id":7}', 'missing'],
    ['{"jsonrpc":"2.0","id":7,"result":[]}', 'unexpected'], ['[]', 'unexpected'], ['7', 'unexpected'], ['{"jsonrpc":"2.0","id":7,"error":{"code":1}}', 'needs_whole'],
    ['{"jsonrpc":"2.0","id":7,"method":"ping"}', 'needs_whole'], ['{"params":{}}', 'needs_whole'], ['{"jsonrpc":"2.0","id":7,"id":7,"result":{}}', 'duplicate_key'],
    ['{"jsonrpc":"2.0","id":7,"result":{"requestState":1,"requestState":1}}', 'duplicate_key'], ['{"jsonrpc":"2.0","id":7,"result":{"_meta":{"a":1,"a":2}}}', 'duplicate_key'],
  ])('%s is %s', (wire, reason) => expect(run([wire], { plan: made }).fault?.reason).toBe(reason))

  it('passes exactly where the whole message is one, with this id', () => {
    const names = fc.constantFrom('"jsonrpc"', '"id"', '"result"', '"result"', '"_meta"', '"task"', '"x"', '"\\u0069d"')
    const values = fc.constantFrom('"2.0"', '"\\u0032.0"', '7', '8', '{}', '[]', 'null', '{"a":1,"a":1}', '{"_meta":{"a":1}}', '{"task":{"a":1,"a":1}}', '{"_meta":{"io.modelcontextprotocol/related-task":{"a":1,"a":1}}}', '{"x":{"a":1,"a":1}}')
    const members = fc.array(fc.tuple(names, values).map(([name, value]) => `${name}:${value}`), { maxLength: 3 })
    const usual = fc.constantFrom<string[][]>([], ['"jsonrpc":"2.0"'], ['"jsonrpc":"2.0"', '"id":7'], ['"jsonrpc":"2.0"', '"id":7', '"result":{"_meta":{"a":1}}'])
    let passed = 0
    fc.assert(fc.property(fc.tuple(usual, members).chain(([one, other]) => fc.shuffledSubarray([...one, ...other], { minLength: one.length + other.length })), shares, (list, at) => {
      const wire = `{${list.join(',')}}`
      const message = parseMessage(wire)
      const isOurs = message.ok && message.value.kind === 'result' && message.value.idText === '7'
      const { out, fault } = run(pieces(wire, at), { plan: made })
      expect(fault === undefined).toBe(isOurs)
      if (!isOurs || !message.ok) return
      passed += 1
      const id = member(message.value.root, 'id')
      expect(out).toBe(splice(wire, id === undefined ? [] : [{ node: id, text: '"c"' }]))
    }), { numRuns: 2_000 })
    expect(passed).toBeGreaterThan(100)
  })
})
