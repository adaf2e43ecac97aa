/** The fixture over HTTP, in this process, in both eras: a gateway pins the one that it speaks. At `/mcp/<revision>` it speaks that one. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { event, sendJson, sse, startHttp } from '../fixtures/upstream/support.ts'
import type { Request } from '../fixtures/upstream/support.ts'
import { actFixture, declaredIn, fixtureResponse, inArray, noteVendor } from './fixture-script.ts'
import type { FixtureCall, FixtureEra, Json } from './fixture-script.ts'

export interface FixtureHttp {
  readonly url: string
  close(): Promise<void>
}

interface Session {
  readonly waiting: Map<string, (result: Json) => void>
  readonly cancels: Map<string, (how: string) => void>
  readonly declared: Json
}

export async function startFixtureHttp(notesPath: string): Promise<FixtureHttp> {
  const sessions = new Map<string, Session>()
  let asked = 0

  const act = async (era: FixtureEra, request: Request, response: ServerResponse, session: Session | undefined, headers = {}): Promise<void> => {
    const { id, method = '', params = {} } = request.json
    const idText = JSON.stringify(id)
    let isStream = false
    const write = (text: string): void => {
      if (!isStream) sse(response)
      isStream = true
      response.write(`data: ${text}\n\n`)
    }
    const call: FixtureCall = {
      era, revision: request.url.slice('/mcp/'.length), text: request.body, method, params, declared: era === 'modern' ? declaredIn(params) : (session?.declared ?? {}),
      ask: (question, body, beside) =>
        new Promise((resolve) => {
          asked += 1
          session?.waiting.set(`"ask-${asked}"`, resolve)
          write(inArray(JSON.stringify({ jsonrpc: '2.0', id: `ask-${asked}`, method: question, params: body }), beside))
        }),
      tell: (name, body) => write(JSON.stringify({ jsonrpc: '2.0', method: name, params: body })),
      onCancelled(run) {
        session?.cancels.set(idText, run)
        response.on('close', () => !response.writableEnded && era === 'modern' && run('closed'))
      },
    }
    const answer = await actFixture(call, notesPath)
    if (answer === undefined || response.destroyed) return
    const text = inArray(fixtureResponse(era, idText, answer), answer.beside)
    if (isStream) response.end(`data: ${text}\n\n`)
    else response.writeHead('error' in answer && answer.error['code'] === -32601 && era === 'modern' ? 404 : 200, { 'content-type': 'application/json', ...headers }).end(text)
  }

  const serveModern = (request: Request, response: ServerResponse): void => {
    const { id, method, params } = request.json
    if (method !== 'subscriptions/listen') return void act('modern', request, response, undefined)
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
    sse(response)
    event(response, { jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: params?.['notifications'] ?? {} } })
  }

  const serveLegacy = (request: Request, response: ServerResponse): void => {
    const { id, method, params } = request.json
    if (method === 'initialize') {
      const sessionId = randomUUID()
      sessions.set(sessionId, { waiting: new Map(), cancels: new Map(), declared: (params?.['capabilities'] ?? {}) as Json })
      return void act('legacy', request, response, undefined, { 'mcp-session-id': sessionId })
    }
    const sessionId = String(request.headers['mcp-session-id'])
    const session = sessions.get(sessionId)
    if (session === undefined) return sendJson(response, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'No such session' } }, 404)
    if (request.method === 'DELETE') {
      sessions.delete(sessionId)
      return void response.writeHead(200).end()
    }
    if (request.method === 'GET') return sse(response)
    if (id !== undefined && method !== undefined) return void act('legacy', request, response, session)
    response.writeHead(202).end()
    noteVendor(notesPath, method, params)
    if (method === 'notifications/cancelled') session.cancels.get(JSON.stringify(params?.['requestId']))?.('notification')
    else if (method === undefined) session.waiting.get(JSON.stringify(id))?.((request.json['result'] ?? { error: request.json['error'] }) as Json)
  }

  return startHttp((request, response) => {
    const isModern = JSON.stringify(request.json.params?.['_meta'] ?? {}).includes('io.modelcontextprotocol/protocolVersion')
    const { id, method = '', params } = request.json
    const isUnknown = id === undefined && method.startsWith('notifications/vendor/') && request.headers['mcp-session-id'] === undefined
    if (isUnknown) {
      noteVendor(notesPath, method, params)
      response.writeHead(202).end()
    } else if (isModern) serveModern(request, response)
    else serveLegacy(request, response)
  })
}
