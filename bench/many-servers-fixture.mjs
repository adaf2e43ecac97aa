/**
 * A light stdio server with tools of usual size, of the legacy era as most are today. Arguments: a label and the number of tools.
 * The first tool's answer is the label, so that one server that was replaced can be told from another.
 */
import { createInterface } from 'node:readline'

const [label = 'server', count = '15'] = process.argv.slice(2)
const property = (name) => [name, { type: 'string', description: `The ${name} that the operation applies to, as the service names it.` }]
const inputSchema = { type: 'object', properties: Object.fromEntries(['project', 'path', 'filter', 'format'].map(property)), required: ['project'] }
const tools = Array.from({ length: Number(count) }, (_, index) => ({
  name: `tool_${index}`,
  title: `Tool ${index} of ${label}`,
  description: `Does what the ${index}. operation of ${label} does, and returns what it found as text. Use it for one thing at a time.`,
  inputSchema,
  annotations: { readOnlyHint: true },
}))
const send = (id, body) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`)

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, method, params } = JSON.parse(line)
    if (id === undefined) return
    if (method === 'initialize') send(id, { result: { protocolVersion: params.protocolVersion, capabilities: { tools: { listChanged: true } }, serverInfo: { name: label, version: '1' } } })
    else if (method === 'tools/list') send(id, { result: { tools } })
    else if (method === 'tools/call') send(id, { result: { content: [{ type: 'text', text: label }] } })
    else send(id, { error: { code: -32601, message: 'Method not found' } })
  })
  .on('close', () => process.exit(0))
