/** The fixture on one pipe that brings everything: stdio, or a session of HTTP+SSE. */
import { actFixture, declaredIn, fixtureResponse, inArray, noteVendor } from './fixture-script.ts'
import type { FixtureEra, Json } from './fixture-script.ts'

interface Line {
  readonly id?: number | string
  readonly method?: string
  readonly params?: Json
  readonly result?: Json
  readonly error?: Json
}

export interface PipeOptions {
  readonly notesPath: string
  /** The one that it speaks; '' for the client's. */
  readonly revision?: string
  /** One message, as it stands on the wire. */
  write(text: string): void
}

function acknowledgement(idText: string, { params }: Line): string {
  const _meta = { 'io.modelcontextprotocol/subscriptionId': JSON.parse(idText) as unknown }
  return JSON.stringify({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: params?.['notifications'] ?? {} } })
}

/** Takes what the client writes, one message at a time, in the era of each. */
export function serveFixturePipe({ notesPath, revision = '', write }: PipeOptions): (text: string) => void {
  const waiting = new Map<string, (result: Json) => void>()
  const cancels = new Map<string, (how: string) => void>()
  let asked = 0
  let session: Json = {}
  const ask = (method: string, params: Json, beside?: readonly string[]): Promise<Json> =>
    new Promise((resolve) => {
      asked += 1
      waiting.set(`"ask-${asked}"`, resolve)
      write(inArray(JSON.stringify({ jsonrpc: '2.0', id: `ask-${asked}`, method, params }), beside))
    })
  return (text) => {
    const message = JSON.parse(text) as Line
    const { id, method, params = {} } = message
    const idText = JSON.stringify(id ?? null)
    if (method === undefined) return waiting.get(idText)?.(message.result ?? { error: message.error })
    if (method === 'notifications/cancelled') return cancels.get(JSON.stringify(params['requestId']))?.('notification')
    if (id === undefined) return noteVendor(notesPath, method, params)
    if (method === 'subscriptions/listen') return write(acknowledgement(idText, message))
    const era: FixtureEra = 'io.modelcontextprotocol/protocolVersion' in ((params['_meta'] ?? {}) as Json) ? 'modern' : 'legacy'
    const tell = (name: string, body: Json): void => write(JSON.stringify({ jsonrpc: '2.0', method: name, params: body }))
    const onCancelled = (run: (how: string) => void): void => void cancels.set(idText, run)
    if (method === 'initialize') session = (params['capabilities'] ?? {}) as Json
    void actFixture({ era, revision, text, method, params, declared: era === 'modern' ? declaredIn(params) : session, ask, tell, onCancelled }, notesPath).then((answer) => {
      if (answer === undefined) return
      cancels.delete(idText)
      write(inArray(fixtureResponse(era, idText, answer), answer.beside))
    })
  }
}
