/** Whatever a client sends, it gets an HTTP answer with a JSON-RPC message of its era, and nothing of it stays behind. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ERRORS } from '../src/protocol/error.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http } from './fixtures/upstream/support.ts'
import { openRig } from './gateway-rig.ts'
import type { OpenRig } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import type { Answer } from './http-rig.ts'
import { legacyRequest, messageOf, modern, modernRequest, openSession } from './mcp-client.ts'
import type { WireRequest } from './mcp-client.ts'

let actor: Actor
let rig: OpenRig
const sessions: string[] = []
beforeAll(async () => {
  actor = await startActor(['legacy', 'modern'])
  rig = await openRig({ servers: { actor: http(actor.url), other: http(actor.url) }, limits: { bodyBytes: 20_000 } })
  for (const revision of ['2025-03-26', '2025-11-25']) sessions.push(await openSession(rig.port, { revision }))
})
afterAll(async () => {
  await rig.close()
  await actor.close()
})

const METHODS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['tools/call', { name: 'actor__echo', arguments: { a: [1, { b: 'é' }], c: null } }],
  ['tools/list', {}],
  ['resources/read', { uri: 'actor+test://one' }],
  ['resources/subscribe', { uri: 'test://one' }],
  ['prompts/get', { name: 'actor__p', arguments: { x: 'y' } }],
  ['completion/complete', { ref: { type: 'ref/prompt', name: 'actor__p' }, argument: { name: 'a', value: 'b' } }],
  ['tasks/get', { taskId: 'abc' }],
  ['server/discover', {}],
  ['ping', {}],
  ['logging/setLevel', { level: 'info' }],
  ['initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'f', version: '1' } }],
  ['notifications/cancelled', { requestId: 1 }],
]

const valid: fc.Arbitrary<WireRequest> = fc
  .tuple(fc.constantFrom(...METHODS), fc.constantFrom('modern', 'old', 'new', 'none'))
  .map(([[method, params], who]) => {
    if (who === 'modern') return modernRequest(method, params)
    return legacyRequest(who === 'none' ? '' : (sessions[who === 'old' ? 0 : 1] ?? ''), method, params)
  })

type Mutation = (body: string) => string
const at = fc.nat({ max: 999 })
const place = (body: string, permille: number): number => Math.floor((body.length * permille) / 1_000)
const tokens = ['{', '}', '[', ']', ',', ':', '"', '\\', '\\u0000', '\\ud800', '\u00ff', '\u00c3', '\u0000', '1e999', '-0', 'null', '{"a":', '[[[[', '\n', '\u00ef\u00bb\u00bf']
const values = ['null', '7', '-1.5', 'true', '""', '"x"', '[]', '{}', '[null]', '{"__proto__":{}}', '123456789012345678901234567890']

/** What breaks the text, mostly. */
const damage: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.nat({ max: 255 })).map(([where, byte]): Mutation => (body) => {
    const index = place(body, where)
    return body.slice(0, index) + String.fromCharCode(body.charCodeAt(index) ^ byte) + body.slice(index + 1)
  }),
  at.map((where): Mutation => (body) => body.slice(0, place(body, where))),
  fc.tuple(at, at).map(([from, to]): Mutation => (body) => body.slice(0, place(body, from)) + body.slice(place(body, to))),
  fc.tuple(at, fc.constantFrom(...tokens)).map(([where, token]): Mutation => (body) => {
    const index = place(body, where)
    return body.slice(0, index) + token + body.slice(index)
  }),
  fc.constantFrom<Mutation>((body) => `[${body}]`, (body) => `[${body},${body}]`, (body) => body.repeat(200), (body) => ` \n${body}\r\n`),
)

/** What leaves it JSON: a key twice, or a value of another type. */
const change: fc.Arbitrary<Mutation> = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(at, fc.constantFrom(...values)).map(([where, value]): Mutation => (body) => {
    const keys = [...body.matchAll(/"([^"\\]+)":/g)]
    const key = keys[Math.floor((keys.length * where) / 1_000)]
    return key === undefined ? body : `${body.slice(0, key.index)}${key[0]}${value},${body.slice(key.index)}`
  }) },
  { weight: 4, arbitrary: fc.tuple(at, fc.constantFrom(...values)).map(([where, value]): Mutation => (body) => {
    const found = [...body.matchAll(/:("[^"\\]*"|\d+|\{\}|null)/g)]
    const chosen = found[Math.floor((found.length * where) / 1_000)]
    return chosen === undefined ? body : `${body.slice(0, chosen.index)}:${value}${body.slice(chosen.index + chosen[0].length)}`
  }) },
)
const mutations = fc.oneof({ weight: 1, arbitrary: fc.array(damage, { minLength: 1, maxLength: 2 }) }, { weight: 2, arbitrary: fc.array(change, { maxLength: 2 }) })

const headers: fc.Arbitrary<Record<string, string>> = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(
        fc.constantFrom('mcp-method', 'mcp-name', 'mcp-protocol-version', 'mcp-session-id', 'accept', 'content-type', 'mcp-param-x', 'last-event-id'),
        fc.oneof(fc.constantFrom('', '2026-07-28', '2025-11-25', 'tools/call', '=?base64?8J+YgA==?=', '*/*'), fc.string({ maxLength: 20 })),
      )
      // What node:http would not send is not what this is about.
      .map(([name, value]) => ({ [name]: value.replace(/[^\t\u0020-\u007e]/g, '').trim() || 'x' })),
  },
)

/** Statuses of the error table for what went wrong before anything was sent, and the good ones. */
const STATUSES = new Set([200, 202, ...Object.values(ERRORS).flatMap(({ legacy, modern: newer }) => [legacy.status, newer.status])])
const OURS = /^(internal|draining|overloaded)$/

function check(answer: Answer, wire: WireRequest): void {
  expect(STATUSES).toContain(answer.status)
  expect(answer.status, 'a fault of our own').toBeLessThan(500)
  if (answer.status === 202) return expect(answer.text).toBe('')
  const isStream = String(answer.headers['content-type']).startsWith('text/event-stream')
  const message: unknown = isStream ? messageOf(answer) : JSON.parse(answer.text)
  for (const one of Array.isArray(message) ? message : [message]) {
    expect(one).toMatchObject({ jsonrpc: '2.0' })
    expect('result' in one !== 'error' in one).toBe(true)
    if ('error' in one) expect(one.error).toMatchObject({ code: expect.any(Number), message: expect.any(String) })
    // No legacy client is told codes that exist since 2026-07-28 only.
    const isLegacy = !wire.body.includes('protocolVersion') && wire.headers['mcp-protocol-version'] === undefined
    if (isLegacy && 'error' in one) expect(one.error.code > -32_020 || one.error.code < -32_099).toBe(true)
  }
}

/** A failure names its seed and its path; `FUZZ_RUNS` asks for more. */
const RUNS = Number(process.env['FUZZ_RUNS'] ?? 2_000)

it('answers mutated requests in the shape of an era, and forgets them', async () => {
  await fc.assert(
    fc.asyncProperty(valid, mutations, headers, async (wire, all, more) => {
      let { body } = wire
      // Bytes, as they leave.
      body = Buffer.from(body, 'utf8').toString('latin1')
      for (const mutate of all) body = mutate(body)
      const sent = { ...wire, headers: { ...wire.headers, ...more }, body }
      check(await send(rig.port, sent), sent)
    }),
    { numRuns: RUNS },
  )
  const records = await rig.settled()
  expect(new Set(records.map(({ errorCode }) => errorCode)).size, 'kinds of errors reached').toBeGreaterThan(9)
  expect(records.filter(({ errorCode }) => OURS.test(errorCode))).toEqual([])
  expect(rig.gateway.status().inFlight).toBe(0)
  expect((await modern(rig.port, 'tools/call', { name: 'actor__echo' })).status).toBe(200)
  expect(rig.gateway.status().servers.map(({ state }) => state)).toEqual(['ready', 'ready'])
}, 60_000)
