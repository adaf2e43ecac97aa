// A legacy server over stdio whose one tool fails as its arguments say. Executions go to the file that its argument names, a tag a line.
import { appendFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

const [, , record = ''] = process.argv
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))
const write = (text) => new Promise((resolve) => process.stdout.write(text, resolve))

async function run(id, { tag, fault, answerBytes, where, delayMs }) {
  const text = (idOf) => `${JSON.stringify({ jsonrpc: '2.0', id: idOf, result: { content: [{ type: 'text', text: `${tag}:${'x'.repeat(answerBytes)}` }] } })}\n`
  const line = text(id)
  if (fault === 'exit before') process.exit(3)
  appendFileSync(record, `${tag}\n`)
  if (fault === 'delay') await sleep(delayMs)
  if (fault === 'no answer') return
  if (fault === 'garbage') await write('\u0000\u0001 not json {"jsonrpc"\n[1,2\n')
  if (fault === 'stderr flood') process.stderr.write('noise '.repeat(50_000))
  if (fault === 'half a line') {
    await write(line.slice(0, Math.floor(where * line.length)))
    process.exit(4)
  }
  if (fault === 'wrong id') return void (await write(text(id + 1_000_000)))
  if (fault === 'slow drip') {
    const size = Math.ceil(line.length / 8)
    // One write at a time: others' answers must not stand in the middle of this line.
    for (let at = 0; at < line.length; at += size) await write(line.slice(at, at + size))
  } else await write(line)
  if (fault === 'exit after') process.exit(0)
}

let queue = Promise.resolve()
createInterface({ input: process.stdin }).on('line', (line) => {
  const { id, method, params } = JSON.parse(line)
  if (id === undefined) return
  const reply = (body) => void (queue = queue.then(() => write(`${JSON.stringify({ jsonrpc: '2.0', id, ...body })}\n`)))
  if (method === 'initialize') return reply({ result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'f', version: '1' } } })
  if (method === 'tools/list') return reply({ result: { tools: [{ name: 'run', inputSchema: { type: 'object' } }] } })
  if (method !== 'tools/call') return reply({ error: { code: -32601, message: 'no such method' } })
  queue = queue.then(() => run(id, params.arguments))
})
