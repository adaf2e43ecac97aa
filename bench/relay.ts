// The least that a relay on node:http and undici can do: read the body, send it on, collect the answer, send that. It checks,
// routes and records nothing. What Portolan costs above it is Portolan's own; what it costs above nginx is Node.js.
//
//   relay.ts <port> <upstream url>
import { createServer } from 'node:http'
import { Pool } from 'undici'

const [, , port = '', upstream = ''] = process.argv
const { origin, pathname } = new URL(upstream)
const pool = new Pool(origin, { connections: 64, pipelining: 1 })
/** What describes this hop and not the message. */
const HOP = new Set(['host', 'connection', 'content-length'])

createServer((incoming, outgoing) => {
  if (incoming.method === 'GET') {
    outgoing.end()
    return
  }
  const headers: string[] = []
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [incoming.rawHeaders[at], incoming.rawHeaders[at + 1]]
    if (!HOP.has(name.toLowerCase())) headers.push(name, value)
  }
  let text = ''
  incoming.setEncoding('latin1')
  incoming.on('data', (chunk: string) => (text += chunk))
  incoming.on('end', () => {
    let status = 502
    let head: string[] = []
    let answer = ''
    pool.dispatch(
      { method: 'POST', path: pathname, headers, body: Buffer.from(text, 'latin1') },
      {
        onRequestStart: () => undefined,
        onResponseStart(_controller, code, fields) {
          status = code
          head = ['content-type', 'mcp-session-id'].flatMap((name) => (typeof fields[name] === 'string' ? [name, fields[name]] : []))
        },
        onResponseData(_controller, chunk) {
          answer += chunk.toString('latin1')
        },
        onResponseEnd: () => void outgoing.writeHead(status, [...head, 'Content-Length', String(answer.length)]).end(answer, 'latin1'),
        onResponseError: () => void outgoing.writeHead(502).end(),
      },
    )
  })
}).listen(Number(port), '127.0.0.1')
