import { describe, expect, it } from 'vitest'
import { toWireText, utf8Of } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { Outcome } from '../gateway/outcome.ts'
import { clientResponse, readError } from './client-response.ts'
import type { ResponseLook } from './client-response.ts'

const LOOK: ResponseLook = {
  clientIdText: '"c-1"',
  method: 'tools/call',
  clientEra: 'modern',
  clientRevision: '2026-07-28',
  upstreamEra: 'modern',
  slug: undefined,
  bounds: [],
  selfText: '{}',
  sealTask: (taskId) => `task(${taskId})`,
  sealCursor: undefined,
  sealState: (state) => `state(${state})`,
}
const MODERN_TO_LEGACY: Partial<ResponseLook> = { upstreamEra: 'legacy' }
const LEGACY: Partial<ResponseLook> = { clientEra: 'legacy', clientRevision: '2025-11-25', upstreamEra: 'legacy' }
const LEGACY_TO_MODERN: Partial<ResponseLook> = { ...LEGACY, upstreamEra: 'modern' }

function message(text: string): Message {
  const scan = parseMessage(toWireText(text))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

function outcome(result: string, look: Partial<ResponseLook> = {}): Outcome {
  return clientResponse(message(`{"jsonrpc":"2.0","id":7,"result":${result}}`), { ...LOOK, ...look })
}

/** The result as the client gets it. */
function result(given: string, look: Partial<ResponseLook> = {}): string {
  const got = outcome(given, look)
  const text = 'text' in got ? utf8Of(got.text) : expect.fail(got.kind)
  const [head, tail] = ['{"jsonrpc":"2.0","id":"c-1","result":', '}']
  expect(text.startsWith(head) && text.endsWith(tail)).toBe(true)
  return text.slice(head.length, -tail.length)
}

const ODD = '{ "content" : [ {"type":"text","text":"\\u00e4 ä 😀"} ],"x":12345678901234567890, "y":1.0 }'

describe('a response in the cell', () => {
  it('of one era is the same bytes under the client\'s own id', () => {
    const modern = ODD.replace('{ ', '{ "resultType":"complete", ')
    expect(result(modern)).toBe(modern)
    expect(result(ODD, LEGACY)).toBe(ODD)
  })

  it('modern client, legacy upstream says that it is complete', () => {
    expect(result(ODD, MODERN_TO_LEGACY)).toBe(ODD.replace('"y":1.0 }', '"y":1.0,"resultType":"complete" }'))
    expect(result('{}', MODERN_TO_LEGACY)).toBe('{"resultType":"complete"}')
  })

  it('modern client, legacy upstream is never fresh and never shared', () => {
    expect(result('{"contents":[]}', { ...MODERN_TO_LEGACY, method: 'resources/read' })).toBe(
      '{"contents":[],"resultType":"complete","ttlMs":0,"cacheScope":"private"}',
    )
    expect(result('{}', { ...MODERN_TO_LEGACY, method: 'x/unknown' })).toBe('{"resultType":"complete"}')
  })

  it('legacy client, modern upstream has no result type and no hints', () => {
    expect(result('{"resultType":"complete","contents":[],"ttlMs":5,"cacheScope":"public"}', { ...LEGACY_TO_MODERN, method: 'resources/read' })).toBe(
      '{"contents":[]}',
    )
  })

  it.each(['[1]', '"a"', '1', 'null', 'true'])('legacy client, modern upstream loses structured content that is %s', (structured) => {
    expect(result(`{"content":[],"structuredContent":${structured}}`, LEGACY_TO_MODERN)).toBe('{"content":[]}')
    expect(result(`{"content":[],"structuredContent":${structured}}`)).toContain('structuredContent')
  })

  it('legacy client, modern upstream keeps structured content that is an object', () => {
    expect(result('{"content":[],"structuredContent":{"a":[1]}}', LEGACY_TO_MODERN)).toBe('{"content":[],"structuredContent":{"a":[1]}}')
  })
})

describe('what a response is', () => {
  it.each([
    ['{"resultType":"complete","content":[]}', 'answered', false],
    ['{"content":[]}', 'answered', false],
    ['{"content":[],"isError":false}', 'answered', false],
    ['{"content":[],"isError":true}', 'answered', true],
  ])('%s', (text, kind, failed) => expect(outcome(text)).toMatchObject({ kind, status: 200, failed }))

  it('is a request for input, its state sealed', () => {
    const text = '{"resultType":"input_required","requestState":"s","inputRequests":{"a":{"method":"roots/list"}}}'
    expect(outcome(text).kind).toBe('inputRequired')
    expect(result(text)).toBe('{"resultType":"input_required","requestState":"state(s)","inputRequests":{"a":{"method":"roots/list"}}}')
    expect(result('{"resultType":"complete","requestState":"s"}')).toBe('{"resultType":"complete","requestState":"s"}')
  })

  it('is a task, its id sealed wherever it stands', () => {
    expect(outcome('{"resultType":"task","taskId":"t"}').kind).toBe('task')
    expect(result('{"resultType":"task","taskId":"t","status":"working"}')).toBe('{"resultType":"task","taskId":"task(t)","status":"working"}')
    expect(outcome('{"task":{"taskId":"t"}}', LEGACY).kind).toBe('task')
    expect(result('{"task":{"taskId":"t","ttl":1}}', LEGACY)).toBe('{"task":{"taskId":"task(t)","ttl":1}}')
    expect(result('{"taskId":"t"}', { ...LEGACY, method: 'tasks/get' })).toBe('{"taskId":"task(t)"}')
    const related = '{"content":[],"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}'
    expect(result(related, LEGACY)).toBe(related.replace('"t"', '"task(t)"'))
  })

  it('is a failure of the server, passed on with its data', () => {
    const got = clientResponse(message('{"jsonrpc":"2.0","id":7,"error":{"code":-32602,"message":"ä","data":{"x":1.0}}}'), LOOK)
    expect(got).toEqual({
      kind: 'answered',
      status: 200,
      failed: true,
      text: toWireText('{"jsonrpc":"2.0","id":"c-1","error":{"code":-32602,"message":"ä","data":{"x":1.0}}}'),
    })
  })
})

describe('URIs on /mcp', () => {
  const MARKED: Partial<ResponseLook> = { slug: 'files' }

  it('are marked where the specification has them, and nowhere else', () => {
    const content = '{"content":[{"type":"resource_link","uri":"file:///a","name":"a"},{"type":"resource","resource":{"uri":"ui://x/y","text":"file:///t"}},{"type":"text","text":"file:///b","_meta":{"uri":"file:///c"}}]}'
    expect(result(content, MARKED)).toBe(content.replace('"file:///a"', '"files+file:///a"').replace('"ui://x/y"', '"ui://files/x/y"'))
    const prompt = '{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"file:///a"}}},{"role":"user","content":{"type":"resource_link","uri":"file:///b"}}]}'
    expect(result(prompt, { ...MARKED, method: 'prompts/get' })).toBe(prompt.replaceAll('"file:', '"files+file:'))
    const read = '{"contents":[{"uri":"file:///a","text":""},{"uri":"file:///b","blob":""}]}'
    expect(result(read, { ...MARKED, method: 'resources/read' })).toBe(read.replaceAll('"file:', '"files+file:'))
    const task = '{"taskId":"t","result":{"content":[{"type":"resource_link","uri":"file:///a"}]}}'
    expect(result(task, { ...MARKED, method: 'tasks/get' })).toBe(task.replace('"file:', '"files+file:').replace('"t"', '"task(t)"'))
  })

  it('stay on the endpoint of one server, and in results that no table knows', () => {
    expect(result('{"content":[{"type":"resource_link","uri":"a:b"}]}')).toContain('"a:b"')
    for (const method of ['x/unknown', 'constructor', '__proto__']) {
      expect(result('{"content":[{"type":"resource_link","uri":"a:b"}]}', { ...MARKED, method })).toContain('"a:b"')
    }
  })

  it('are not left unmarked by saying a thing twice: two parsers would see two names', () => {
    expect(() => outcome('{"content":[{"type":"resource_link","uri":"a:b","uri":"c:d"}]}', MARKED)).toThrow('malformed')
  })

  it('are found in whatever depth of other things the limit let pass', () => {
    const deep = `${'['.repeat(500)}${']'.repeat(500)}`
    const scan = parseMessage(`{"jsonrpc":"2.0","id":7,"result":{"x":${deep},"content":[{"uri":"a:b"}]}}`, undefined, 1_000)
    const got = clientResponse(scan.ok ? scan.value : expect.fail(), { ...LOOK, ...MARKED })
    expect('text' in got ? got.text : '').toContain('"files+a:b"')
  })
})

describe('content that the client\'s revision lacks', () => {
  const AUDIO = '{"type":"audio","data":"QQ==","mimeType":"audio/wav"}'
  const LINK = '{"type":"resource_link","uri":"file:///a","name":"a"}'
  const TEXT = '{"type":"text", "text":"t"}'
  const AUDIO_TEXT = '{"type":"text","text":"[Audio, audio/wav: not available in this protocol revision]"}'
  const oldest: Partial<ResponseLook> = { ...LEGACY, clientRevision: '2024-11-05' }

  it.each([
    ['2024-11-05', `{"content":[${TEXT},${AUDIO_TEXT},{"type":"text","text":"[Resource: a <file:///a>]"}]}`],
    ['2025-03-26', `{"content":[${TEXT},${AUDIO},{"type":"text","text":"[Resource: a <file:///a>]"}]}`],
    ['2025-06-18', `{"content":[${TEXT},${AUDIO},${LINK}]}`],
    ['2025-11-25', `{"content":[${TEXT},${AUDIO},${LINK}]}`],
  ] as const)('becomes text in tool results for %s', (clientRevision, expected) => {
    const given = `{"content":[${TEXT},${AUDIO},${LINK}]}`
    expect(result(given, { ...LEGACY, clientRevision })).toBe(expected)
    expect(result(given, { ...LEGACY_TO_MODERN, clientRevision })).toBe(expected)
  })

  it('becomes text in prompt messages', () => {
    expect(result(`{"messages":[{"role":"user","content":${AUDIO}},{"role":"assistant","content":${TEXT}}]}`, { ...oldest, method: 'prompts/get' })).toBe(
      `{"messages":[{"role":"user","content":${AUDIO_TEXT}},{"role":"assistant","content":${TEXT}}]}`,
    )
  })

  it('is named by the URI that the client can read on /mcp', () => {
    expect(result(`{"content":[${LINK}]}`, { ...oldest, slug: 'files' })).toBe('{"content":[{"type":"text","text":"[Resource: a <files+file:///a>]"}]}')
  })

  it('is looked for in content only', () => {
    const other = `{"contents":[${AUDIO}],"x":${LINK}}`
    expect(result(other, { ...oldest, method: 'resources/read' })).toBe(other)
    expect(result(other, { ...oldest, method: 'x/unknown' })).toBe(other)
  })
})

describe('an error read as data', () => {
  it('has a code, a message and its data', () => {
    expect(readError(message('{"jsonrpc":"2.0","id":7,"error":{"code":-32042,"message":"m","data":{"a":[1]}}}'))).toEqual({
      code: -32042,
      message: 'm',
      data: { a: [1] },
    })
    expect(readError(message('{"jsonrpc":"2.0","id":7,"error":{"code":1}}'))).toEqual({ code: 1, message: '' })
  })
})
