/** What bad input gets: a clear error in the shape of its era, with the request's id where it could be read; nobody else notices. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, openRig, startRig } from './gateway-rig.ts'
import type { OpenRig } from './gateway-rig.ts'
import { rawClient, send, statuses } from './http-rig.ts'
import type { Answer } from './http-rig.ts'
import { getRequest, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream, wireText } from './mcp-client.ts'
import type { Asked, WireRequest } from './mcp-client.ts'

let actor: Actor
let rig: OpenRig
let session = ''
const release: (() => void)[] = []

beforeAll(async () => {
  actor = await startActor(['legacy', 'modern'], { wait: (call) => void release.push(() => call.answer()) })
  rig = await openRig({ servers: { actor: http(actor.url) }, limits: { bodyBytes: 100_000 } })
  session = await openSession(rig.port)
  await modern(rig.port, 'tools/list')
})
afterAll(async () => {
  await rig.close()
  await actor.close()
})

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
const CALL = '"jsonrpc":"2.0","id":5,"method":"tools/call"'
const call = (params = '"name":"actor__echo"'): string => `{${CALL},"params":{${params},${META}}}`
const asked = (body: string, headers: Record<string, string> = {}): Asked => ({ body, headers })
const modernCall = (body: string, headers: Record<string, string> = {}): WireRequest =>
  modernRequest('tools/call', { name: 'actor__echo' }, asked(body, headers))
const legacyCall = (body: string, headers: Record<string, string> = {}): WireRequest => legacyRequest(session, '', {}, asked(body, headers))

/** A JSON-RPC error as the era writes it: a legacy one has an id, null where none was readable; a modern one then has none. */
function expectError(answer: Answer, era: 'legacy' | 'modern', status: number, code: number, id?: number | string): void {
  const message = messageOf(answer)
  expect([answer.status, message['error']]).toMatchObject([status, { code, message: expect.any(String) }])
  expect(String(answer.headers['content-type'])).toBe('application/json')
  const shown = id ?? (era === 'legacy' ? null : undefined)
  expect(message).toEqual({ jsonrpc: '2.0', ...(shown === undefined ? {} : { id: shown }), error: message['error'] })
  if (era === 'legacy') expect(code > -32_020 || code < -32_099).toBe(true)
}

const nested = `${'['.repeat(10_000)}${']'.repeat(10_000)}`

describe('a body that is no message', () => {
  it.each<[string, string, number]>([
    ['not JSON', 'hello', -32_700],
    ['half a JSON', call().slice(0, -9), -32_700],
    ['empty', '', -32_700],
    ['a number', '7', -32_600],
    ['null', 'null', -32_600],
    ['an empty object', '{}', -32_600],
    ['two messages', `${call()}${call()}`, -32_700],
    ['with a trailing comma', call().replace(/}$/, ',}'), -32_700],
    ['with a comment', `/**/${call()}`, -32_700],
    ['with a byte order mark', `\u00ef\u00bb\u00bf${call()}`, -32_700],
    ['invalid UTF-8', call('"name":"actor__\u00ff\u00fe"'), -32_700],
    ['overlong UTF-8', call('"name":"\u00c0\u00af"'), -32_700],
    ['a surrogate as UTF-8', call('"name":"\u00ed\u00a0\u0080"'), -32_700],
    ['10,000 nested arrays', call(`"name":"actor__echo","arguments":{"a":${nested}}`), -32_700],
    ['duplicate keys in the envelope', call().replace('{', '{"method":"ping",'), -32_600],
    ['an escaped spelling of the same key', call().replace('{', '{"\\u006dethod":"ping",'), -32_600],
    ['duplicate names', call('"name":"actor__wait","name":"actor__echo"'), -32_600],
    ['duplicate names, one escaped', call('"n\\u0061me":"actor__wait","name":"actor__echo"'), -32_600],
    ['duplicate metadata', call(`"name":"actor__echo",${META}`), -32_600],
    ['duplicate keys in the metadata', call().replace('"_meta":{', '"_meta":{"x":1,"x":2,'), -32_600],
  ])('%s', async (_name, body, code) => {
    expectError(await send(rig.port, modernCall(body)), 'modern', 400, code)
    expectError(await send(rig.port, legacyCall(body)), 'legacy', 400, code)
  })

  it.each<[string, string, number | undefined]>([
    ['no jsonrpc', call().replace('"jsonrpc":"2.0",', ''), 5],
    ['another jsonrpc', call().replace('"2.0"', '"1.0"'), 5],
    ['params that are an array', `{${CALL},"params":[]}`, 5],
    ['a method that is no string', call().replace('"tools/call"', '7'), 5],
    ['an empty method', call().replace('"tools/call"', '""'), 5],
    ['a null id', call().replace('"id":5', '"id":null'), undefined],
    ['a fractional id', call().replace('"id":5', '"id":5.5'), undefined],
    ['an exponent for an id', call().replace('"id":5', '"id":5e0'), undefined],
    ['an object for an id', call().replace('"id":5', '"id":{}'), undefined],
    ['a boolean id', call().replace('"id":5', '"id":true'), undefined],
  ])('%s', async (_name, body, id) => {
    expectError(await send(rig.port, modernCall(body)), 'modern', 400, -32_600, id)
    expectError(await send(rig.port, legacyCall(body)), 'legacy', 400, -32_600, id)
  })
})

describe('a modern request whose headers or metadata are wrong', () => {
  it.each<[string, WireRequest, number, number]>([
    ['version header missing', modernCall(call(), { 'mcp-protocol-version': '' }), 400, -32_020],
    ['version header different', modernCall(call(), { 'mcp-protocol-version': '2025-11-25' }), 400, -32_020],
    ['version metadata missing', modernCall(`{${CALL},"params":{"name":"actor__echo"}}`), 400, -32_602],
    ['version metadata no string', modernCall(call().replace('"2026-07-28"', '7')), 400, -32_602],
    ['version unknown', modernCall(call().replace('2026-07-28', '2099-01-01'), { 'mcp-protocol-version': '2099-01-01' }), 400, -32_022],
    ['version of the other era', modernCall(call().replace('2026-07-28', '2025-11-25'), { 'mcp-protocol-version': '2025-11-25' }), 400, -32_022],
    ['capabilities missing', modernCall(call().replace(/,"io.modelcontextprotocol\/clientCapabilities":\{\}/, '')), 400, -32_602],
    ['capabilities no object', modernCall(call().replace('clientCapabilities":{}', 'clientCapabilities":[]')), 400, -32_602],
    ['client info no object', modernCall(call().replace('"_meta":{', '"_meta":{"io.modelcontextprotocol/clientInfo":"me",')), 400, -32_602],
    ['log level unknown', modernCall(call().replace('"_meta":{', '"_meta":{"io.modelcontextprotocol/logLevel":"loud",')), 400, -32_602],
    ['progress token an object', modernCall(call().replace('"_meta":{', '"_meta":{"progressToken":{},')), 400, -32_602],
    ['method header missing', modernCall(call(), { 'mcp-method': '' }), 400, -32_020],
    ['method header different', modernCall(call(), { 'mcp-method': 'tools/list' }), 400, -32_020],
    ['method header in capitals', modernCall(call(), { 'mcp-method': 'Tools/Call' }), 400, -32_020],
    ['name header missing', modernCall(call(), { 'mcp-name': '' }), 400, -32_020],
    ['name header different', modernCall(call(), { 'mcp-name': 'actor__wait' }), 400, -32_020],
    ['name header no Base64', modernCall(call(), { 'mcp-name': '=?base64?!!?=' }), 400, -32_020],
    ['nothing named', modernCall(`{${CALL},"params":{${META}}}`), 200, -32_602],
    ['a tool nobody has', modernCall(call('"name":"nobody"'), { 'mcp-name': 'nobody' }), 200, -32_602],
  ])('%s', async (_name, wire, status, code) => expectError(await send(rig.port, wire), 'modern', status, code, 5))

  it.each(['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/result', 'tasks/list'])(
    'a method that its revision lacks: %s',
    async (method) => expectError(await modern(rig.port, method), 'modern', 404, -32_601, 1),
  )

  it('a batch, which its revision lacks', async () => {
    expectError(await send(rig.port, modernCall(`[${call()}]`)), 'modern', 400, -32_600)
    expectError(await send(rig.port, modernCall('[]')), 'modern', 400, -32_600)
  })
})

it('names what it supports to a client of an unknown version', async () => {
  const wire = modernCall(call().replace('2026-07-28', '2099-01-01'), { 'mcp-protocol-version': '2099-01-01' })
  expect(messageOf(await send(rig.port, wire))['error']).toMatchObject({ data: { supported: ['2026-07-28'], requested: '2099-01-01' } })
})

describe('a legacy request out of place', () => {
  it.each<[string, () => WireRequest, number, number, number?]>([
    ['no session', () => legacyRequest('', 'ping'), 400, -32_000, 1],
    ['an unknown session', () => legacyRequest('nonsense', 'ping'), 404, -32_001, 1],
    ['a version nobody knows', () => legacyRequest(session, 'ping', {}, { headers: { 'mcp-protocol-version': '1999-01-01' } }), 400, -32_000, 1],
    ['an unknown version of GET', () => getRequest(session, { 'mcp-protocol-version': '1999-01-01' }), 400, -32_000],
    ['a method that nobody knows', () => legacyRequest(session, 'server/discover'), 200, -32_601, 1],
    ['a tool nobody has', () => legacyRequest(session, 'tools/call', { name: 'nobody' }), 200, -32_602, 1],
    ['a URI nobody has', () => legacyRequest(session, 'resources/read', { uri: 'test://nobody' }), 200, -32_002, 1],
    ['initialize without params', () => legacyRequest('', '', {}, asked('{"jsonrpc":"2.0","id":1,"method":"initialize"}')), 200, -32_602, 1],
    ['initialize with half its params', () => legacyRequest('', 'initialize', { protocolVersion: '2025-11-25' }), 200, -32_602, 1],
    ['a batch in a session that has none', () => legacyCall('[{"jsonrpc":"2.0","id":1,"method":"ping"}]'), 400, -32_600],
    ['GET without a session', () => getRequest(''), 400, -32_000],
    ['GET of an unknown session', () => getRequest('nonsense'), 404, -32_001],
    ['DELETE of an unknown session', () => ({ ...getRequest('nonsense'), verb: 'DELETE' }), 404, -32_001],
    ['a log level nobody knows', () => legacyRequest(session, 'logging/setLevel', { level: 'loud' }), 200, -32_602, 1],
    ['an invalid cursor', () => legacyRequest(session, 'tools/list', { cursor: 'AAAA' }), 200, -32_602, 1],
  ])('%s', async (_name, wire, status, code, id) => expectError(await send(rig.port, wire()), 'legacy', status, code, id))

  it.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'x\r\ny', 'é', '\u0000'])('a method by the name of %j', async (method) => {
    const modernActor = closeAfter(await startActor(['modern']))
    const two = await startRig({ servers: { older: http(actor.url), newer: http(modernActor.url) } })
    expectError(await legacy(two.port, await openSession(two.port), method), 'legacy', 200, -32_601, 1)
    const older = await openSession(two.port, { path: '/older/mcp' })
    expect(messageOf(await legacy(two.port, older, method, {}, { path: '/older/mcp' }))).toMatchObject({ result: { echo: {} } })
    // A modern server gets it as a header, too, which cannot hold every name.
    const newer = await openSession(two.port, { path: '/newer/mcp' })
    const answer = await legacy(two.port, newer, method, {}, { path: '/newer/mcp' })
    if (/^\w+$/.test(method)) expect(messageOf(answer)).toMatchObject({ result: { echo: {} } })
    else expectError(answer, 'legacy', 200, -32_601, 1)
    expect(two.gateway.status().servers.map(({ state }) => state)).toEqual(['ready', 'ready'])
  })

  it('is refused an id that is in flight, and keeps the call that has it', async () => {
    const first = legacy(rig.port, session, 'tools/call', { name: 'actor__wait' }, { id: 'same' })
    await until(() => release.length > 0)
    expectError(await legacy(rig.port, session, 'ping', {}, { id: 'same' }), 'legacy', 400, -32_600, 'same')
    for (const run of release.splice(0)) run()
    expect(messageOf(await first)).toMatchObject({ id: 'same', result: {} })
  })

  it('may answer what nobody asked: that is taken and dropped', async () => {
    expect((await send(rig.port, legacyCall('{"jsonrpc":"2.0","id":77,"result":{}}'))).status).toBe(202)
    expect((await send(rig.port, legacyCall('{"jsonrpc":"2.0","id":77,"error":{"code":1,"message":"no"}}'))).status).toBe(202)
    expectError(await send(rig.port, modernCall('{"jsonrpc":"2.0","id":77,"result":{}}')), 'modern', 400, -32_600, 77)
  })
})

describe('a batch of a 2025-03-26 session', () => {
  it.each<[string, string]>([
    ['empty', '[]'],
    ['with initialize inside', '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"initialize","params":{}}]'],
    ['with initialize inside, escaped', '[{"jsonrpc":"2.0","id":2,"method":"\\u0069nitialize","params":{"protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}]'],
    ['with duplicate keys inside', '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}]'],
    ['of more than a hundred', `[${'{"jsonrpc":"2.0","method":"x"},'.repeat(100)}{"jsonrpc":"2.0","method":"x"}]`],
  ])('%s is refused whole', async (_name, body) => {
    const old = await openSession(rig.port, { revision: '2025-03-26' })
    expectError(await legacy(rig.port, old, '', {}, { body }), 'legacy', 400, -32_600)
  })

  it('answers the good ones and refuses the bad ones one by one', async () => {
    const old = await openSession(rig.port, { revision: '2025-03-26' })
    const body = '[1, {"jsonrpc":"2.0","id":1,"method":"ping"}, {"jsonrpc":"2.0","id":{},"method":"ping"}, {"id":3}]'
    const answer = await legacy(rig.port, old, '', {}, { body })
    const answers = JSON.parse(answer.text) as { id: unknown; error?: { code: number } }[]
    expect(answers.map(({ id, error }) => `${String(id)} ${error?.code ?? 0}`).toSorted()).toEqual(['1 0', '3 -32600', 'null -32600', 'null -32600'])
  })

  it('that is half a JSON is a parse error', async () => {
    const old = await openSession(rig.port, { revision: '2025-03-26' })
    expectError(await legacy(rig.port, old, '', {}, { body: '[{"jsonrpc":"2.0"' }), 'legacy', 400, -32_700)
  })
})

describe('before the message is looked at', () => {
  it.each<[string, (wire: WireRequest) => WireRequest, number, number, number]>([
    ['a body beyond the limit', (wire) => ({ ...wire, body: ' '.repeat(100_001) }), 413, -31_010, -31_010],
    ['no content type', (wire) => ({ ...wire, headers: { ...wire.headers, 'content-type': 'text/plain' } }), 415, -32_000, -31_009],
    ['no Accept for streams', (wire) => ({ ...wire, headers: { ...wire.headers, accept: 'application/json' } }), 406, -32_000, -31_008],
    ['an evil origin', (wire) => ({ ...wire, headers: { ...wire.headers, origin: 'http://evil.example' } }), 403, -31_004, -31_004],
    ['an evil host', (wire) => ({ ...wire, headers: { ...wire.headers, host: 'evil.example' } }), 403, -31_005, -31_005],
    ['PUT', (wire) => ({ ...wire, verb: 'PUT' }), 405, -32_000, -31_007],
    ['no such endpoint', (wire) => ({ ...wire, path: '/a/b/mcp' }), 404, -31_006, -31_006],
  ])('%s', async (_name, change, status, legacyCode, modernCode) => {
    expectError(await send(rig.port, change(modernCall(call()))), 'modern', status, modernCode)
    expectError(await send(rig.port, change(legacyCall(call()))), 'legacy', status, legacyCode)
  })

  it('says which verbs it knows', async () => {
    expect((await send(rig.port, { ...modernCall(call()), verb: 'PUT' })).headers['allow']).toBe('POST')
    expect((await send(rig.port, { ...legacyCall(call()), verb: 'PUT' })).headers['allow']).toBe('GET, POST, DELETE')
  })

  it.each([['no token', '', 'Bearer realm="test"'], ['a wrong token', 'mallory', 'Bearer realm="test", error="invalid_token"']])(
    '%s: a challenge',
    async (_name, token, challenge) => {
      const answer = await modern(rig.port, 'tools/list', {}, { token })
      expectError(answer, 'modern', 401, -31_001, 1)
      expect(answer.headers['www-authenticate']).toBe(challenge)
      for (const wire of [legacyRequest(session, 'ping', {}, { token }), { ...getRequest(session), headers: { authorization: token === '' ? 'x' : `Bearer ${token}`, accept: '*/*' } }]) {
        expect((await send(rig.port, wire)).status).toBe(401)
      }
    },
  )

  it('headers beyond the limit, half a request, a body that never comes: only their connection ends', async () => {
    const huge = rawClient(rig.port)
    huge.write(wireText(modernRequest('tools/list', {}, { headers: { 'x-huge': 'x'.repeat(20_000) } })))
    expect(statuses(await huge.closed())).toEqual([431])
    const garbage = rawClient(rig.port)
    garbage.write('\u0000\u0001 garbage\r\n\r\n')
    expect(statuses(await garbage.closed())).toEqual([400])
  })
})

describe('what is odd but right arrives as it was written', () => {
  it.each([
    ['an integer beyond 2^53', '12345678901234567890123'],
    ['a lone surrogate escape', '"\\ud800"'],
    ['a float with many digits', '0.10000000000000000000001'],
    ['duplicate keys that route nothing', '{"a":1,"a":2}'],
    ['127 levels', `${'['.repeat(100)}${']'.repeat(100)}`],
  ])('%s', async (_name, value) => {
    const answer = await send(rig.port, modernCall(call(`"name":"actor__echo","arguments":{"a":${value}}`)))
    expect(messageOf(answer)).toMatchObject({ id: 5, result: {} })
    expect(actor.requests.at(-1)?.body).toContain(`"arguments":{"a":${value}}`)
  })

  it.each(['9007199254740993', '-1', '123456789012345678901234567890', '"\\ud800"', '"\u00c3\u00a9"', '""'])('the id %s comes back', async (id) => {
    const answer = await send(rig.port, modernCall(call().replace('"id":5', `"id":${id}`)))
    expect(answer.text).toContain(`"id":${id},`)
    expect((await send(rig.port, legacyCall(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`))).text).toContain(`"id":${id},`)
    expect((await send(rig.port, legacyCall(`{"jsonrpc":"2.0","id":${id},"method":"no"}`))).text).toContain(`"id":${id}`)
  })
})

it('loses nothing of a well-behaved client meanwhile, and no exchange stays behind', async () => {
  const good = Promise.all(Array.from({ length: 100 }, (_, id) => modern(rig.port, 'tools/call', { name: 'actor__echo', arguments: { id } }, { id })))
  const stream = await openStream(rig.port, getRequest(session))
  const bad = ['', '{', nested, call('"name":"\u00ff"'), '[]', `[${call()}]`, call().slice(0, 40)]
  await Promise.all(Array.from({ length: 70 }, (_, at) => send(rig.port, at % 2 === 0 ? modernCall(bad[at % 7] ?? '') : legacyCall(bad[at % 7] ?? ''))))
  const answers = await good
  expect(answers.map((answer) => messageOf(answer))).toMatchObject(answers.map((_, id) => ({ id, result: { echo: { id } } })))
  expect(stream.ended).toBe(false)
  stream.drop()
  await rig.settled()
  expect(rig.events.filter(({ level }) => level === 'error')).toEqual([])
})
