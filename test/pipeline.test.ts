/** Every exchange leaves exactly one record in the ledger, however it ends (design §3, stage 9; guarantee 5). */
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Exchange } from '../src/core/gateway/exchange.ts'
import type { GatewayContext } from '../src/core/gateway/context.ts'
import { LiveMap } from '../src/core/live-map.ts'
import { finish } from '../src/core/gateway/finish.ts'
import type { LedgerRecord } from '../src/core/audit/ledger.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { rawClient, send, statuses } from './http-rig.ts'
import { getRequest, legacy, legacyRequest, modern, modernRequest, openSession, openStream, wireText } from './mcp-client.ts'

async function rigWith(acts: Readonly<Record<string, Act>> = {}, options: RigOptions = {}): Promise<Rig> {
  const actor = closeAfter(await startActor(['legacy', 'modern'], acts))
  return startRig({ servers: { actor: http(actor.url) }, ...options })
}

const REFUSED_ORIGIN = ['', 'refused', 403, 'forbidden_origin']
const CANCELLED = '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}'
const line = ({ method, outcome, status, errorCode }: LedgerRecord): unknown[] => [method, outcome, status, errorCode]

describe('a modern request leaves one record', () => {
  it.each([
    ['answered', modernRequest('tools/call', { name: 'actor__echo' }), 200, ['tools/call', 'answered', 200, '']],
    ['unknown', modernRequest('no/such'), 200, ['no/such', 'answered', 200, '']],
    ['malformed', modernRequest('tools/call', {}, { body: '{"jsonrpc"' }), 400, ['', 'refused', 400, 'parse_error']],
    ['without a token', modernRequest('tools/list', {}, { token: '' }), 401, ['tools/list', 'challenge', 401, 'unauthorized']],
    ['of a foreign origin', modernRequest('tools/list', {}, { headers: { origin: 'https://evil.example' } }), 403, REFUSED_ORIGIN],
    ['to no endpoint', modernRequest('tools/list', {}, { path: '/nowhere' }), 404, ['', 'refused', 404, 'unknown_server']],
    ['to no server', modernRequest('tools/list', {}, { path: '/nobody/mcp' }), 404, ['tools/list', 'refused', 404, 'unknown_server']],
    ['with PUT', { ...modernRequest('tools/list'), verb: 'PUT' }, 405, ['', 'refused', 405, 'method_not_allowed']],
    ['that takes no stream', modernRequest('tools/list', {}, { headers: { accept: 'application/json' } }), 406, ['', 'refused', 406, 'not_acceptable']],
    ['that is too large', modernRequest('tools/list', { x: 'x'.repeat(3_000) }), 413, ['', 'refused', 413, 'body_too_large']],
    ['of another type', modernRequest('tools/list', {}, { headers: { 'content-type': 'text/plain' } }), 415, ['', 'refused', 415, 'unsupported_media_type']],
    ['that is a notification', modernRequest('notifications/cancelled', {}, { body: CANCELLED }), 202, ['notifications/cancelled', 'accepted', 202, '']],
  ])('%s', async (_name, wire, status, expected) => {
    const rig = await rigWith({}, { limits: { bodyBytes: 2_000 } })
    expect((await send(rig.port, wire)).status).toBe(status)
    expect((await rig.settled()).map(line)).toEqual([expected])
  })

  it('that goes away while it still sends', async () => {
    const rig = await rigWith()
    const socket = connect(rig.port, '127.0.0.1')
    socket.write(wireText(modernRequest('tools/list')).slice(0, -40))
    await until(() => rig.gateway.status().inFlight === 1)
    socket.destroy()
    expect((await rig.settled()).map(line)).toEqual([['', 'disconnected', 0, '']])
  })

  it('whose body does not come in time', async () => {
    const rig = await rigWith({}, { limits: { bodyTimeoutMs: 200 } })
    const client = rawClient(rig.port)
    client.write(wireText(modernRequest('tools/list')).slice(0, -40))
    expect(statuses(await client.until(/408/))).toEqual([408])
    expect((await rig.settled()).map(line)).toEqual([['', 'refused', 408, 'request_timeout']])
  })

  it('that goes away before its answer, and its upstream hears of it within a second', async () => {
    let hungUpAtMs = 0
    const rig = await rigWith({ silent: ({ response }) => void response.on('close', () => (hungUpAtMs = performance.now())) })
    await modern(rig.port, 'tools/list')
    rig.records()
    const client = rawClient(rig.port)
    client.write(wireText(modernRequest('tools/call', { name: 'actor__silent' })))
    await until(() => rig.gateway.status().inFlight === 1)
    await sleep(100)
    const goneAtMs = performance.now()
    client.socket.destroy()
    expect((await rig.settled()).map(line)).toEqual([['tools/call', 'disconnected', 0, '']])
    await until(() => hungUpAtMs > 0)
    expect(hungUpAtMs - goneAtMs).toBeLessThan(1_000)
  })

  it('that goes away during its answer', async () => {
    const rig = await rigWith({ half: (call) => call.progress(1) })
    const stream = await openStream(rig.port, modernRequest('tools/call', { name: 'actor__half' }, { meta: { progressToken: 'p' } }))
    await stream.count(1)
    stream.drop()
    expect((await rig.settled()).map(line)).toEqual([['tools/call', 'disconnected', 0, '']])
  })

  it('whose upstream takes too long', async () => {
    const rig = await rigWith({ silent: () => undefined }, { server: { requestIdleTimeoutMs: 200 } })
    expect((await modern(rig.port, 'tools/call', { name: 'actor__silent' })).status).toBe(200)
    expect((await rig.settled()).map(line)).toEqual([['tools/call', 'refused', 200, 'upstream_timeout']])
  })

  it('whose upstream dies', async () => {
    const rig = await rigWith({ crash: ({ response }) => void response.destroy() })
    expect((await modern(rig.port, 'tools/call', { name: 'actor__crash' })).status).toBe(200)
    expect((await rig.settled()).map(line)).toEqual([['tools/call', 'refused', 200, 'outcome_unknown']])
  })

  it('that listens, once it has ended', async () => {
    const rig = await rigWith()
    const stream = await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }))
    await stream.count(1)
    expect(rig.records()).toEqual([])
    stream.drop()
    expect((await rig.settled()).map(line)).toEqual([['subscriptions/listen', 'disconnected', 0, '']])
  })
})

describe('a legacy exchange leaves one record', () => {
  it('for the opening, each message and the end of a session', async () => {
    const rig = await rigWith()
    const session = await openSession(rig.port)
    await legacy(rig.port, session, 'ping')
    await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' })
    expect((await send(rig.port, { ...getRequest(session), verb: 'DELETE' })).status).toBe(200)
    expect((await legacy(rig.port, session, 'ping')).status).toBe(404)
    expect((await rig.settled()).map(line)).toEqual([
      ['initialize', 'opened', 200, ''],
      ['notifications/initialized', 'accepted', 202, ''],
      ['ping', 'answered', 200, ''],
      ['tools/call', 'answered', 200, ''],
      ['', 'accepted', 200, ''],
      ['ping', 'refused', 404, 'session_not_found'],
    ])
  })

  it('for a GET stream, once it has ended', async () => {
    const rig = await rigWith()
    const session = await openSession(rig.port)
    rig.records()
    const stream = await openStream(rig.port, getRequest(session))
    expect(rig.records()).toEqual([])
    stream.drop()
    expect((await rig.settled()).map(line)).toEqual([['', 'disconnected', 0, '']])
  })

  it('for a call whose client went away: it goes on, and is recorded as answered', async () => {
    const rig = await rigWith({ slow: (call) => void setTimeout(() => call.answer(), 200) })
    const session = await openSession(rig.port)
    rig.records()
    const client = rawClient(rig.port)
    client.write(wireText(legacyRequest(session, 'tools/call', { name: 'actor__slow' })))
    await until(() => rig.gateway.status().inFlight === 1)
    await sleep(50)
    client.socket.destroy()
    await sleep(50)
    expect(rig.gateway.status().inFlight).toBe(1)
    expect((await rig.settled()).map(line)).toEqual([['tools/call', 'answered', 200, '']])
  })

  it('for each message of a batch, and one for the batch', async () => {
    const rig = await rigWith()
    const session = await openSession(rig.port, { revision: '2025-03-26' })
    rig.records()
    const body = '[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/x"}]'
    expect((await legacy(rig.port, session, '', {}, { body })).status).toBe(200)
    expect((await rig.settled()).map(line).toSorted()).toEqual([
      ['', 'opened', 200, ''],
      ['notifications/x', 'accepted', 202, ''],
      ['ping', 'answered', 200, ''],
      ['ping', 'answered', 200, ''],
    ])
  })

  it('for each POST to an HTTP+SSE stream and each message in it, and one for the stream', async () => {
    const rig = await rigWith()
    const stream = await openStream(rig.port, getRequest('', {}, '/sse'))
    await until(() => stream.events.length > 0)
    const path = stream.events[0]?.data ?? ''
    await legacy(rig.port, '', 'initialize', { protocolVersion: '2024-11-05', capabilities: {}, clientInfo: { name: 't', version: '1' } }, { path })
    await stream.count(1)
    expect(rig.records().map(line)).toEqual([['', 'accepted', 202, ''], ['initialize', 'answered', 200, '']])
    stream.drop()
    expect((await rig.settled()).map(line)).toEqual([['', 'disconnected', 0, '']])
  })
})

it('counts the first outcome of an exchange, and no other', async () => {
  const records: unknown[] = []
  const answers: unknown[] = []
  let released = 0
  const exchange = {
    id: 'one', era: 'modern', text: '', onFinished: [], startedTicks: 0, release: () => (released += 1),
    reply: { finish: (answer: unknown) => (answers.push(answer), 0) },
  } as unknown as Exchange
  const inFlight = new LiveMap<string, Exchange>()
  inFlight.set('one', exchange)
  const context = {
    inFlight,
    deps: { clock: { ticksMs: () => 1 }, ledger: { append: (record: unknown) => records.push(record) }, telemetry: { observeMs: () => undefined } },
  } as unknown as GatewayContext
  expect(finish(context, exchange, { kind: 'accepted', status: 202 })).toBe(true)
  expect(finish(context, exchange, { kind: 'disconnected' })).toBe(false)
  expect([records.length, answers.length, released, inFlight.size]).toEqual([1, 1, 1, 0])
})
