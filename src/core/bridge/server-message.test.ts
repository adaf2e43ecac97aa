import { describe, expect, it } from 'vitest'
import { toWireText } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { createLiveSession } from '../session/live-session.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { passNotification, passRequest } from './server-message.ts'
import type { ServerSide } from './server-message.ts'

function message(text: string): Message {
  const scan = parseMessage(toWireText(text))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

function createSide(more: Partial<ServerSide> = {}): ServerSide {
  const session = createLiveSession({
    id: 's',
    bindingKey: 'b',
    ownerKey: 'o',
    endpoint: '',
    revision: '2025-11-25',
    clientInfo: '{}',
    clientCapabilities: '{}',
    createdAtMs: 0,
    lastUsedAtMs: 0,
    initialized: true,
    logLevel: '',
    subscriptions: {},
    tasks: {},
    holds: [], atServers: {},
  }, 'h')
  // Told apart by identity, never asked anything here.
  return { session, upstream: {} as Upstream, channel: {} as Channel, slug: undefined, sealTask: (taskId) => `task(${taskId})`, ...more }
}

const RELATED = 'io.modelcontextprotocol/related-task'

describe('a server\'s request', () => {
  it('reaches the client under an id of its own, all else as it came', () => {
    const side = createSide()
    const text = '{ "jsonrpc":"2.0", "id":"u-1", "method":"sampling/createMessage", "params":{"n":12345678901234567890, "_meta":{"x":1.0}} }'
    expect(passRequest(side, message(text))).toBe(text.replace('"u-1"', '1'))
    expect(passRequest(side, message(text))).toBe(text.replace('"u-1"', '2'))
    expect(side.session.pending.get('1')).toEqual({
      channel: side.channel, upstream: side.upstream, upstreamIdText: '"u-1"', upstreamToken: '', method: 'sampling/createMessage',
    })
  })

  it('asks for progress under a token of its own, and what the server gave is kept', () => {
    const side = createSide()
    const passed = passRequest(side, message('{"jsonrpc":"2.0","id":7,"method":"roots/list","params":{"_meta":{"progressToken":"p"}}}'))
    expect(passed).toBe('{"jsonrpc":"2.0","id":1,"method":"roots/list","params":{"_meta":{"progressToken":1}}}')
    expect(side.session.pending.get('1')).toMatchObject({ upstreamIdText: '7', upstreamToken: '"p"' })
  })

  it('names its task as the client knows it', () => {
    const passed = passRequest(createSide(), message(`{"jsonrpc":"2.0","id":7,"method":"elicitation/create","params":{"_meta":{"${RELATED}":{"taskId":"t"}}}}`))
    expect(passed).toBe(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":{"_meta":{"${RELATED}":{"taskId":"task(t)"}}}}`)
  })

  it('without params is one like any other', () => {
    expect(passRequest(createSide(), message('{"jsonrpc":"2.0","id":0,"method":"ping"}'))).toBe('{"jsonrpc":"2.0","id":1,"method":"ping"}')
  })
})

describe('a server\'s notification', () => {
  it.each([
    '{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":{"n":1.0}}}',
    '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    '{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e"}}',
    '{"jsonrpc":"2.0","method":"notifications/x/unknown","params":{"uri":"a:b","taskId":"t"}}',
  ])('is passed on as it came: %s', (text) => {
    expect(passNotification(createSide({ slug: 's' }), message(text))).toBe(text)
  })

  it('of progress that no call of the stream asked for is dropped', () => {
    expect(passNotification(createSide(), message('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}'))).toBeUndefined()
  })

  it('of an update marks the URI on /mcp only', () => {
    const text = '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"file:///ä","title":"x"}}'
    expect(passNotification(createSide({ slug: 'files' }), message(text))).toBe(
      '{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"files+file:///\\u00e4","title":"x"}}',
    )
    expect(passNotification(createSide(), message(text))).toBe(toWireText(text))
  })

  it('of a task names it as the client knows it', () => {
    const status = '{"jsonrpc":"2.0","method":"notifications/tasks/status","params":{"taskId":"t","status":"working"}}'
    expect(passNotification(createSide(), message(status))).toBe(status.replace('"t"', '"task(t)"'))
    const related = `{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","_meta":{"${RELATED}":{"taskId":"t"}}}}`
    expect(passNotification(createSide(), message(related))).toBe(related.replace('"t"', '"task(t)"'))
  })
})

describe('a server that withdraws its request', () => {
  const cancelled = (requestId: string): Message =>
    message(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":${requestId},"reason":"late"}}`)

  it('is told of to the client under the id that it knows, once', () => {
    const side = createSide()
    passRequest(side, message('{"jsonrpc":"2.0","id":"other","method":"roots/list"}'))
    passRequest(side, message('{"jsonrpc":"2.0","id":"u-1","method":"roots/list"}'))
    expect(passNotification(side, cancelled('"u-1"'))).toBe('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":2,"reason":"late"}}')
    expect(Array.from(side.session.pending, ([idText]) => idText)).toEqual(['1'])
    expect(passNotification(side, cancelled('"u-1"'))).toBeUndefined()
  })

  it('cannot withdraw another server\'s', () => {
    const side = createSide()
    passRequest(side, message('{"jsonrpc":"2.0","id":1,"method":"roots/list"}'))
    expect(passNotification({ ...side, channel: {} as Channel }, cancelled('1'))).toBeUndefined()
    expect(side.session.pending.size).toBe(1)
  })

  it('says nothing of what nobody asked', () => {
    expect(passNotification(createSide(), cancelled('5'))).toBeUndefined()
    expect(passNotification(createSide(), message('{"jsonrpc":"2.0","method":"notifications/cancelled","params":{}}'))).toBeUndefined()
  })
})
