import { describe, expect, it } from 'vitest'
import type { HttpResponse } from '../gateway/http-exchange.ts'
import { readFrame, writeRequest } from './exchange-frames.ts'
import type { AnswerFrame } from './exchange-frames.ts'
import { serveExchange } from './serve-exchange.ts'
import type { ServeCarried } from './serve-exchange.ts'

const REQUEST = writeRequest({
  exchangeId: 'e', verb: 'POST', path: '/mcp', query: '', headers: [['a', '1'], ['a', '2']], remoteAddress: '', principal: { ownerKey: 'o', bindingKey: 'b', label: '', scopes: new Set() }, body: 'text',
})

async function framesOf(serve: ServeCarried, text = REQUEST): Promise<(AnswerFrame | undefined)[]> {
  const frames: (AnswerFrame | undefined)[] = []
  for await (const frame of serveExchange(text, new AbortController().signal, serve)) frames.push(readFrame(frame))
  return frames
}

describe('an exchange that another replica brings', () => {
  it('is served with its headers, its body and who asks', async () => {
    let seen: unknown
    await framesOf((request, response, { principal, exchangeId }) => {
      void request.body().then((body) => {
        seen = [request.verb, request.header('a'), request.headersWith('a').length, body, principal.ownerKey, exchangeId]
        response.answer(200, {}, '')
      })
    })
    expect(seen).toEqual(['POST', '1, 2', 2, { ok: true, value: 'text' }, 'o', 'e'])
  })

  it('is sent back where it belongs elsewhere, or is of a format that is not known', async () => {
    expect(await framesOf((_request, _response, { moved }) => moved())).toEqual([{ kind: 'moved' }])
    expect(await framesOf(() => expect.fail('served'), 'nonsense')).toEqual([{ kind: 'moved' }])
  })

  it('has a long answer go in pieces that no link refuses', async () => {
    const text = 'x'.repeat(2.5 * 1024 * 1024)
    const frames = await framesOf((_request, response) => response.answer(200, { a: 'b' }, text, Buffer.from('tail')))
    expect(frames[0]).toEqual({ kind: 'head', head: { status: 200, headers: { a: 'b', 'content-length': String(text.length + 4) } } })
    expect(frames.at(-1)).toEqual({ kind: 'end' })
    const pieces = frames.flatMap((frame) => (frame?.kind === 'piece' ? [frame.text] : []))
    expect([pieces.join('') === `${text}tail`, Math.max(...pieces.map(({ length }) => length))]).toEqual([true, 1024 * 1024])
  })

  it('is told that its client has gone, once, and nothing more is sent', async () => {
    const client = new AbortController()
    let gone = 0
    let kept: HttpResponse | undefined
    const frames = serveExchange(REQUEST, client.signal, (_request, response) => {
      kept = response
      response.onGone(() => (gone += 1))
      response.head(200, {})
    })[Symbol.asyncIterator]()
    expect(readFrame((await frames.next()).value ?? '')).toMatchObject({ kind: 'head' })
    client.abort()
    kept?.write('late')
    expect([(await frames.next()).done, gone]).toEqual([true, 1])
  })

  it('is held back by a reader that does not read, until it does', async () => {
    let response: HttpResponse | undefined
    const frames = serveExchange(REQUEST, new AbortController().signal, (_request, given) => (response = given))[Symbol.asyncIterator]()
    expect(response?.write('x'.repeat(200 * 1024))).toBe(true)
    expect(response?.write('x'.repeat(200 * 1024))).toBe(false)
    let drained = false
    response?.onDrain(() => (drained = true))
    await frames.next()
    await frames.next()
    await new Promise((resolve) => setImmediate(resolve))
    expect(drained).toBe(true)
  })
})
