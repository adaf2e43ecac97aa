/** Trace context (SEP-414) through every cell, in both directions: the same bytes, and none that nobody sent. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter } from './gateway-rig.ts'
import { send } from './http-rig.ts'
import { asciiJson } from '../src/protocol/json.ts'
import { legacyRequest, messageOf, modernRequest, openStream } from './mcp-client.ts'
import type { WireRequest } from './mcp-client.ts'
import { ERAS, build, clientAt } from './virtual-rig.ts'
import type { Built, Era } from './virtual-rig.ts'

type Json = Record<string, unknown>

/** Odd, and legal: what reads and prints it changes it. */
const SENT = '"traceparent" :"00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01", "tracestate":"a=1,b=\\u0074","baggage":"k=v;p=1,n=1.50"'
const ANSWERED = '"traceparent" : "00-ffffffffffffffffffffffffffffffff-00f067aa0ba902b7-00","tracestate":"s=\\u0031"'
const CELLS = ERAS.flatMap((client) => ERAS.map((server) => [client, server] as const))
const CAPABILITIES = { elicitation: {} }

const json = { 'content-type': 'application/json' }
const result = (id: unknown, members: string): string => `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"complete",${members}}}`
const traced: Act = ({ id, response }) => response.writeHead(200, json).end(result(id, `"content":[],"_meta":{${ANSWERED}}`))

/** Says something while it runs. */
const noisy: Act = ({ id, token, response }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${JSON.stringify(token)},"progress":1,"_meta":{${ANSWERED}}}}\n\n`)
  response.end(`data: ${result(id, '"content":[]')}\n\n`)
}

const QUESTION = `"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{}},"_meta":{${ANSWERED}}`
let questioned: (() => void) | undefined

/** Asks for input, as its era does; answers with what it was answered. */
const asking: Act = ({ id, request, response }) => {
  const { params = {} } = request.json
  const isModern = JSON.stringify(params['_meta'] ?? {}).includes('protocolVersion')
  if (isModern && params['inputResponses'] === undefined) {
    const asked = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"resultType":"input_required","inputRequests":{"who":{"method":"elicitation/create","params":{${QUESTION}}}}}}`
    return void response.writeHead(200, json).end(asked)
  }
  if (isModern) return void response.writeHead(200, json).end(result(id, '"content":[]'))
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write(`data: {"jsonrpc":"2.0","id":"ask-1","method":"elicitation/create","params":{${QUESTION}}}\n\n`)
  questioned = () => response.end(`data: ${result(id, '"content":[]')}\n\n`)
}

const bodies = (actor: Actor, method: string): string[] => actor.requests.filter(({ json: { method: asked } }) => asked === method).map(({ body }) => body)

/** A request whose `_meta` ends with what the client sent. */
function withTrace(era: Era, session: string, method: string, params: Json, path: string, meta: Json = {}): WireRequest {
  const wire = era === 'legacy'
    ? legacyRequest(session, method, { ...params, _meta: { ...meta, last: 0 } }, { path })
    : modernRequest(method, params, { path, meta: { 'io.modelcontextprotocol/clientCapabilities': CAPABILITIES, ...meta, last: 0 } })
  return { ...wire, body: wire.body.replace('"last":0', SENT), headers: { ...wire.headers, traceparent: '00-11111111111111111111111111111111-2222222222222222-01', tracestate: 'hop=1', baggage: 'hop=1' } }
}

describe.each(CELLS)('trace context, of a %s client at a %s server', (era, serverEra) => {
  const start = async (): Promise<{ readonly built: Built; readonly actor: Actor; readonly session: string; readonly at: (path: string) => Promise<string> }> => {
    const actor = closeAfter(await startActor([serverEra], { traced, noisy, asking, 'vendor/rows': traced }, { capabilities: { extensions: { 'io.modelcontextprotocol/skills': {} } } }))
    const built = await build({ one: http(actor.url), two: http(actor.url) }, [])
    const at = async (path: string): Promise<string> => (await clientAt(built, era, path, { capabilities: CAPABILITIES })).session
    return { built, actor, session: await at('/one/mcp'), at }
  }

  it.each([
    ['tools/call', { name: 'traced' }, '/one/mcp'],
    ['tools/call', { name: 'one__traced' }, '/mcp'],
    ['prompts/get', { name: 'p' }, '/one/mcp'],
    ['completion/complete', { ref: { type: 'ref/prompt', name: 'p' }, argument: { name: 'a', value: '' } }, '/one/mcp'],
    ['skills/get', { uri: 'skill://one/a/SKILL.md' }, '/mcp'],
    ['vendor/rows', {}, '/one/mcp'],
  ] as const)('reaches the server with %s %j at %s, byte for byte', async (method, params, path) => {
    const { built, actor, at } = await start()
    await send(built.rig.port, withTrace(era, await at(path), method, params, path))
    expect(bodies(actor, method)[0]).toContain(SENT)
    // Those of the hop are the hop's.
    expect(actor.requests.flatMap(({ headers }) => [headers['traceparent'], headers['tracestate'], headers['baggage']]).filter((value) => value !== undefined)).toEqual([])
  })

  it('comes back with results, and with what is said before them', async () => {
    const { built, session } = await start()
    for (const name of ['traced', 'noisy']) {
      const answer = await send(built.rig.port, withTrace(era, session, 'tools/call', { name }, '/one/mcp', { progressToken: 'mine' }))
      expect(answer.text, name).toContain(ANSWERED)
    }
  })

  it('comes with a server\'s question, and the call goes on with the client\'s', async () => {
    const { built, actor, session } = await start()
    const wire = withTrace(era, session, 'tools/call', { name: 'asking' }, '/one/mcp')
    if (era === 'legacy') {
      const stream = await openStream(built.rig.port, wire)
      const [question] = await stream.count(1)
      expect(stream.events.some(({ data }) => data.includes(ANSWERED))).toBe(true)
      const body = asciiJson({ jsonrpc: '2.0', id: question?.['id'], result: { action: 'accept', content: {} } })
      await send(built.rig.port, legacyRequest(session, '', {}, { path: '/one/mcp', body }))
    } else {
      const answer = await send(built.rig.port, wire)
      expect(answer.text).toContain(ANSWERED)
      const { requestState, inputRequests = {} } = messageOf(answer)['result'] as { requestState?: string; inputRequests?: Json }
      const inputResponses = Object.fromEntries(Object.keys(inputRequests).map((key) => [key, { action: 'accept', content: {} }]))
      const retry = { name: 'asking', inputResponses, ...(requestState === undefined ? {} : { requestState }) }
      void send(built.rig.port, withTrace(era, session, 'tools/call', retry, '/one/mcp')).catch(() => undefined)
    }
    if (serverEra === 'modern') await until(() => bodies(actor, 'tools/call').length === 2)
    else await until(() => actor.requests.some(({ json: { id } }) => String(id) === 'ask-1'))
    questioned?.()
    for (const body of bodies(actor, 'tools/call')) expect(body).toContain(SENT)
  })

  it('is not made up where nobody sent one', async () => {
    const { built, actor, session } = await start()
    const wire = withTrace(era, session, 'tools/call', { name: 'traced' }, '/one/mcp')
    await send(built.rig.port, { ...wire, body: wire.body.replace(SENT, '"last":0') })
    expect(bodies(actor, 'tools/call')[0]).not.toMatch(/traceparent|tracestate|baggage/)
  })
})
