import { describe, expect, it } from 'vitest'
import { createTap } from './tap.ts'
import type { Heard } from './tap.ts'

const request = (id: number | string): unknown => ({ jsonrpc: '2.0', id, method: 'x' })

describe('the tap', () => {
  it('keeps a result exactly as it was written', async () => {
    const tap = createTap(() => undefined)
    const { settled, answer } = tap.follow(async () => tap.sent(request(1)))
    await settled.then(() => undefined)
    expect(answer).toEqual({})
    const followed = tap.follow(async () => {
      tap.sent(request('a'))
      await Promise.resolve()
      tap.received('{"jsonrpc":"2.0","id":"a","result":{ "big": 12345678901234567890, "é": "ü" }}')
    })
    await followed.settled
    expect(followed.answer.result?.text).toBe('{ "big": 12345678901234567890, "é": "ü" }')
  })

  it('gives each of several requests at once its own answer', async () => {
    const tap = createTap(() => undefined)
    const ask = (id: number): ReturnType<typeof tap.follow> => tap.follow(async () => {
      await new Promise((resolve) => setImmediate(resolve))
      tap.sent(request(id))
      await new Promise((resolve) => setTimeout(resolve, 10))
      tap.received(`{"jsonrpc":"2.0","id":${id},"result":{"n":${id}}}`)
    })
    const [one, two] = [ask(1), ask(2)]
    await Promise.all([one.settled, two.settled])
    expect([one.answer.result?.text, two.answer.result?.text]).toEqual(['{"n":1}', '{"n":2}'])
  })

  it('follows a repeated request to its last answer, and keeps errors', async () => {
    const tap = createTap(() => undefined)
    const { settled, answer } = tap.follow(async () => {
      tap.sent(request(1))
      tap.sent(request(2))
      tap.received('{"jsonrpc":"2.0","id":1,"result":{}}')
      tap.received('{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"no","data":[1]}}')
    })
    await settled
    expect(answer).toEqual({ error: { text: '{"code":-32602,"message":"no","data":[1]}', code: -32602, message: 'no', data: [1] } })
  })

  it('hears notifications in JSON bodies and event streams, in any pieces', async () => {
    const heard: Heard[] = []
    const tap = createTap((one) => heard.push(one))
    const note = (n: number): string => `{"jsonrpc":"2.0","method":"notifications/n","params":{"n":${n},"é":1}}`
    const bytes = new TextEncoder().encode(`: hello\r\n\r\nid: 1\ndata: \n\nevent: message\r\ndata: ${note(1)}\r\n\r\ndata: {"jsonrpc":"2.0",\ndata: "method":"two"}\n\nevent: ping\ndata: ${note(3)}\n\n`)
    const pieces = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte))
        controller.close()
      },
    })
    const fetch = tap.wrapFetch(async (url) => new Response(url.toString() === 'sse:' ? pieces : note(9), { headers: { 'content-type': url.toString() === 'sse:' ? 'text/event-stream' : 'application/json' } }))
    expect(await (await fetch('sse:')).text()).toContain('hello')
    expect(await (await fetch('json:')).json()).toMatchObject({ params: { n: 9 } })
    expect(heard.map(({ method, params }) => [method, params['n']])).toEqual([['notifications/n', 1], ['two', undefined], ['notifications/n', 9]])
  })
})
