import { describe, expect, it } from 'vitest'
import { readFrame, readRequest, writeFrame, writeRequest } from './exchange-frames.ts'
import type { AnswerFrame, CarriedRequest } from './exchange-frames.ts'

const request: CarriedRequest = {
  exchangeId: 'e1',
  verb: 'POST',
  path: '/mcp',
  query: 'a=b',
  headers: [['mcp-session-id', 'h'], ['x-name', 'Ä'], ['mcp-param-a', '1']],
  remoteAddress: '10.0.0.1',
  principal: { ownerKey: 'o', bindingKey: 'b', label: 'l\n', scopes: new Set(['s']) },
  body: '{"a":"\n\u00e4"}',
}

describe('a request on its way to its owner', () => {
  it('arrives as it was', () => {
    expect(readRequest(writeRequest(request))).toEqual(request)
  })

  it('takes no secret of the client with it, nor what concerns its own connection', () => {
    const secret: CarriedRequest['headers'] = [['Authorization', 'Bearer x'], ['cookie', 'x'], ['proxy-authorization', 'x'], ['content-length', '3'], ['connection', 'close']]
    const text = writeRequest({ ...request, headers: [...secret, ...request.headers] })
    expect(text).not.toMatch(/Bearer|cookie|content-length/i)
    expect(readRequest(text)?.headers).toEqual(request.headers)
  })

  it('is refused in another format, cut short, or made up', () => {
    const text = writeRequest(request)
    const head = JSON.parse(text.slice(0, text.indexOf('\n'))) as Record<string, unknown>
    const altered = (more: object): string => `${JSON.stringify({ ...head, ...more })}\n`
    for (const wrong of ['', '\n', '{}\n', 'x\n', text.slice(0, 20), altered({ format: 2 }), altered({ principal: null }), altered({ verb: 1 }), altered({ principal: { ownerKey: 'o' } })]) {
      expect(readRequest(wrong), wrong).toBeUndefined()
    }
  })
})

describe('an answer on its way back', () => {
  const frames: AnswerFrame[] = [
    { kind: 'answer', head: { status: 200, headers: { 'content-type': 'application/json' } }, text: '{"a":"\n"}' },
    { kind: 'answer', head: { status: 202, headers: {} }, text: '' },
    { kind: 'head', head: { status: 200, headers: { 'content-type': 'text/event-stream' } } },
    { kind: 'piece', text: 'data: a\n\n' },
    { kind: 'piece', text: '' },
    { kind: 'end' },
    { kind: 'cut' },
    { kind: 'moved' },
  ]

  it('arrives as it was, piece by piece', () => {
    expect(frames.map((frame) => readFrame(writeFrame(frame)))).toEqual(frames)
  })

  it('of a kind that is not known is none', () => {
    for (const wrong of ['', 'z', 'a', 'a{}\n', 'h', 'h[]', 'h{"status":"200","headers":{}}']) expect(readFrame(wrong), wrong).toBeUndefined()
  })
})
