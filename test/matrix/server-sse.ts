/** Servers of 2024-11-05 over HTTP+SSE, in this process: the reference server behind the official transport, and the fixture. */
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text as readText } from 'node:stream/consumers'
import { SSEServerTransport } from '@modelcontextprotocol/sdk/server/sse.js'
import { createConnectionServer } from '../../src/apps/reference-server/server.ts'
import { createReferenceState } from '../../src/apps/reference-server/state.ts'
import { serveFixturePipe } from './fixture-pipe.ts'

const REVISION = '2024-11-05'

export interface SseServers {
  readonly referenceUrl: string
  readonly fixtureUrl: string
  close(): Promise<void>
}

/** Takes one message of an open stream, and answers the POST that brought it. */
type Take = (text: string, request: IncomingMessage, response: ServerResponse) => void

/** The client asks for the newest revision that it knows; this server was written before that. */
function asked(text: string): unknown {
  const message = JSON.parse(text) as { readonly method?: string; readonly params?: object }
  return message.method === 'initialize' ? { ...message, params: { ...message.params, protocolVersion: REVISION } } : message
}

/** Each opens a stream at its path, and says under which id POSTs name it. */
function openers(notesPath: string): Readonly<Record<string, (response: ServerResponse) => Promise<readonly [id: string, take: Take]>>> {
  const state = createReferenceState()
  return {
    async '/reference/sse'(response) {
      const transport = new SSEServerTransport('/message', response)
      // Both SDKs mean the same by a transport, in types of their own.
      await createConnectionServer(state, 'legacy').connect(transport as never)
      return [transport.sessionId, (text, request, answer) => void transport.handlePostMessage(request as never, answer, asked(text)).catch(() => answer.destroy())]
    },
    '/fixture/sse'(response) {
      const id = randomUUID()
      response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`event: endpoint\ndata: /message?sessionId=${id}\n\n`)
      const take = serveFixturePipe({ notesPath, revision: REVISION, write: (text) => void response.write(`event: message\ndata: ${text}\n\n`) })
      return Promise.resolve([id, (text, _request, answer) => {
        answer.writeHead(202).end()
        take(text)
      }])
    },
  }
}

export async function startSseServers(notesPath: string): Promise<SseServers> {
  const open = openers(notesPath)
  const streams = new Map<string, Take>()
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
    const opener = request.method === 'GET' ? open[pathname] : undefined
    const take = request.method === 'POST' ? streams.get(searchParams.get('sessionId') ?? '') : undefined
    if (take !== undefined) void readText(request).then((text) => take(text, request, response))
    else if (opener === undefined) response.writeHead(request.method === 'POST' ? 405 : 404).end()
    else {
      void opener(response).then(([id, begun]) => {
        streams.set(id, begun)
        response.on('close', () => streams.delete(id))
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    referenceUrl: `${url}/reference/sse`,
    fixtureUrl: `${url}/fixture/sse`,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}
