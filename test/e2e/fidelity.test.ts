import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startHttp } from '../fixtures/upstream/support.ts'
import type { TestServer } from '../fixtures/upstream/support.ts'
import { bearer, startGateway } from '../gateway-process.ts'
import type { GatewayProcess } from '../gateway-process.ts'

/** JSON that a parser and a printer would change: each is one member's value. */
const ODD: Readonly<Record<string, string>> = {
  'big integers': '9007199254740993123456789',
  'numbers in other spellings': '[1.0, 1e2, -0, 0.10, 1E+2, 100000000000000000000.0]',
  'keys in another order': '{"10":1,"z":1,"2":2,"a":{"__proto__":{"x":1},"constructor":null}}',
  'a key twice': '{"a":1,"a":2,"b":{"c":"x","c":"y"}}',
  'escapes': '"\\u00e9 \\/ \\ud83d\\ude00 \\u2028 \\u0000 \\t"',
  'raw characters beyond ASCII': '"é 😀 \u2028 \u2029 \u007f \ufeff"',
  'a lone surrogate, escaped': '"\\ud800"',
  'white space between tokens': '{ "a" :\t[ 1 ,\n 2 ] ,\r\n  "b" : { } }',
}

const REVISIONS = { legacy: '2025-11-25', modern: '2026-07-28' } as const
type Era = keyof typeof REVISIONS
const META = 'io.modelcontextprotocol'

/** What the server answers next: the odd value in its result, and whether on a stream after a notification. */
let answer: { readonly odd: string; readonly stream: boolean }
const servers = new Map<Era, TestServer>()
let gateway: GatewayProcess

function resultOf(id: string, odd: string): string {
  return `{ "result" : {"content":[{"type":"text","text":"x","odd":${odd}}],"odd":${odd},"resultType":"complete"},"odd":${odd},\n"id" : ${id}, "jsonrpc":"2.0" }`
}

function serve(era: Era): Promise<TestServer> {
  return startHttp((request, response) => {
    const id = JSON.stringify(request.json.id)
    const json = (result: string, headers: Record<string, string> = {}): void => {
      response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(`{"jsonrpc":"2.0","id":${id},"result":${result}}`)
    }
    switch (request.json.method) {
      case 'initialize':
        if (era === 'modern') return response.writeHead(400).end()
        return json('{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"raw","version":"1"}}', { 'mcp-session-id': 'one' })
      case 'server/discover':
        if (era === 'legacy') return response.writeHead(400).end()
        return json('{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":60000,"cacheScope":"private"}')
      case 'tools/list':
        return json('{"resultType":"complete","tools":[{"name":"echo","inputSchema":{"type":"object"}}],"ttlMs":60000,"cacheScope":"private"}')
      case 'tools/call':
      case 'vendor/method': {
        const text = resultOf(id, answer.odd)
        if (!answer.stream) return response.writeHead(200, { 'content-type': 'application/json' }).end(text)
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        response.write(`data: ${NOTE.replaceAll('\n', '\ndata: ')}\n\n`)
        return response.end(`data: ${text.replace(/\r\n|\n/g, '\ndata: ')}\n\n`)
      }
      default:
        return request.method === 'GET' ? response.writeHead(405).end() : response.writeHead(202).end()
    }
  })
}
const NOTE = `{"method" : "notifications/message",\n "params":{"level":"error","data":9007199254740993,"data2":1.0}, "jsonrpc":"2.0","odd":1e1}`

let session = ''
const headersOf = (era: Era, method: string): Record<string, string> => ({
  ...bearer(gateway),
  'content-type': 'application/json',
  accept: 'application/json, text/event-stream',
  'mcp-protocol-version': REVISIONS[era],
  ...(era === 'modern' ? { 'mcp-method': method, ...(method === 'tools/call' ? { 'mcp-name': 'echo' } : {}) } : { 'mcp-session-id': session }),
})

/** Sends bytes, gets the messages of the answer as they came. */
async function exchange(era: Era, method: string, body: string): Promise<string[]> {
  const response = await fetch(`${gateway.url}/${era}/mcp`, { method: 'POST', headers: headersOf(era, method), body })
  const text = Buffer.from(await response.arrayBuffer()).toString('utf8')
  if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return [text]
  const events = text.split('\n\n').map((event) => event.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : [])).join('\n'))
  return events.filter((event) => event !== '')
}

beforeAll(async () => {
  for (const era of ['legacy', 'modern'] as const) servers.set(era, await serve(era))
  const entry = (era: Era) => ({ type: 'http', url: servers.get(era)?.url })
  gateway = await startGateway({ config: { mcpServers: { legacy: entry('legacy'), modern: entry('modern') } } })
  const { 'mcp-session-id': _none, ...headers } = headersOf('legacy', 'initialize')
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'test', version: '1' } }
  const response = await fetch(`${gateway.url}/legacy/mcp`, { method: 'POST', headers, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params }) })
  session = response.headers.get('mcp-session-id') ?? ''
  await response.text()
})
afterAll(async () => {
  await gateway?.stop()
  for (const server of servers.values()) await server.close()
})

/** A request with one odd value in its arguments, beside them, in its metadata and on top. `made`: what each hop makes anew. */
function requestOf(era: Era, method: string, id: string, odd: string, made: { readonly info: string }): string {
  const meta = era === 'legacy' ? '' : `"${META}/protocolVersion" : "2026-07-28","${META}/clientInfo":${made.info}, "${META}/clientCapabilities":{}, `
  return `{"odd":${odd},\n "params" : {"odd":${odd}, "_meta":{${meta}"vendor/odd":${odd}}, "arguments":{"odd" : ${odd}, "id":1 },"name":"echo"}, "method":"${method}","id":${id} , "jsonrpc":"2.0"}`
}

const OWN_INFO = '{"name":"test", "version":"1"}'

describe.each(['legacy', 'modern'] as const)('a %s client of a server of its era', (era) => {
  describe.each(['tools/call', 'vendor/method'])('calling %s', (method) => {
    it.each(Object.entries(ODD))('passes on %s, byte for byte, both ways, in JSON and in a stream', async (_what, odd) => {
      for (const stream of [false, true]) {
        answer = { odd, stream }
        const answers = await exchange(era, method, requestOf(era, method, '"my id"', odd, { info: OWN_INFO }))
        const received = servers.get(era)?.requests.findLast((request) => request.json.method === method)?.body ?? ''
        const id = /"id":("?[^",]*"?) , "jsonrpc"/.exec(received)?.[1] ?? ''
        const info = era === 'legacy' ? '' : (/clientInfo":(\{[^}]*\})/.exec(received)?.[1] ?? '')
        expect(received).toBe(requestOf(era, method, id, odd, { info }))
        const lineEnds = (text: string): string => (stream ? text.replaceAll('\r\n', '\n') : text)
        expect(answers.at(-1)).toBe(lineEnds(resultOf('"my id"', odd)))
        expect(answers.slice(0, -1)).toEqual(stream ? [NOTE] : [])
      }
    })
  })
})
