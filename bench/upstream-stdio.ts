// The MCP server behind the stdio cases: newline-delimited JSON-RPC, both eras, the same tools as the HTTP one.
// `upstream-stdio.ts <folder>` leaves a file named after its pid there, so that its CPU is never taken for the proxy's.
// Ends when its stdin does.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { answer, readRequest, type UpstreamRequest } from './upstream-tools.ts'

const folder = process.argv[2]
if (folder !== undefined) writeFileSync(join(folder, String(process.pid)), '')

const send = (message: unknown): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

function serve(request: UpstreamRequest): void {
  if (request.id === null) return
  if (request.method === 'subscriptions/listen' && request.era === 'modern') {
    const params = { _meta: { 'io.modelcontextprotocol/subscriptionId': request.id }, notifications: request.params['notifications'] ?? {} }
    send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params })
    return
  }
  send({ jsonrpc: '2.0', id: request.id, ...answer(request) })
}

let parts: Buffer[] = []
process.stdin.on('data', (chunk: Buffer) => {
  let start = 0
  for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
    parts.push(chunk.subarray(start, end))
    const line = Buffer.concat(parts).toString('utf8')
    parts = []
    start = end + 1
    const request = line.trim() === '' ? null : readRequest(JSON.parse(line))
    if (request !== null) serve(request)
  }
  if (start < chunk.length) parts.push(chunk.subarray(start))
})
process.stdin.on('end', () => process.exit(0))
