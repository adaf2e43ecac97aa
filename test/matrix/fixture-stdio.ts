/** The fixture as a process on stdio, in the era of its first message. The folder for its notes is its argument. */
import { createInterface } from 'node:readline'
import { actFixture, fixtureResponse } from './fixture-script.ts'
import type { FixtureEra, Json } from './fixture-script.ts'

const [notesPath = '.'] = process.argv.slice(2)
const write = (line: string): void => void process.stdout.write(`${line}\n`)
const waiting = new Map<string, (result: Json) => void>()
const cancels = new Map<string, (how: string) => void>()
let asked = 0

interface Line {
  readonly id?: number | string
  readonly method?: string
  readonly params?: Json
  readonly result?: Json
  readonly error?: Json
}

function listen(idText: string, { params }: Line): void {
  const _meta = { 'io.modelcontextprotocol/subscriptionId': JSON.parse(idText) as unknown }
  write(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: params?.['notifications'] ?? {} } }))
}

createInterface({ input: process.stdin }).on('line', (text) => {
  const message = JSON.parse(text) as Line
  const { id, method, params = {} } = message
  const idText = JSON.stringify(id ?? null)
  if (method === undefined) return waiting.get(idText)?.(message.result ?? { error: message.error })
  if (method === 'notifications/cancelled') return cancels.get(JSON.stringify(params['requestId']))?.('notification')
  if (id === undefined) return
  if (method === 'subscriptions/listen') return listen(idText, message)
  const era: FixtureEra = 'io.modelcontextprotocol/protocolVersion' in ((params['_meta'] ?? {}) as Json) ? 'modern' : 'legacy'
  const call = {
    era, text, method, params,
    ask: (question: string, body: Json) =>
      new Promise<Json>((resolve) => {
        asked += 1
        waiting.set(`"ask-${asked}"`, resolve)
        write(JSON.stringify({ jsonrpc: '2.0', id: `ask-${asked}`, method: question, params: body }))
      }),
    tell: (name: string, body: Json) => write(JSON.stringify({ jsonrpc: '2.0', method: name, params: body })),
    onCancelled: (run: (how: string) => void) => void cancels.set(idText, run),
  }
  void actFixture(call, notesPath).then((answer) => {
    if (answer === undefined) return
    cancels.delete(idText)
    write(fixtureResponse(era, idText, answer))
  })
}).on('close', () => process.exit(0))
