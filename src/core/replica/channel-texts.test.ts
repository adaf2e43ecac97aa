import { describe, expect, it } from 'vitest'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { readChannelAnswer, readChannelRequest, writeChannelAnswer, writeChannelRequest } from './channel-texts.ts'
import type { ChannelAnswer, ChannelRequest } from './channel-texts.ts'

function message(text: string): Message {
  const scan = parseMessage(text)
  if (!scan.ok) throw new Error(scan.fault.detail)
  return scan.value
}

/** As bytes stand in wire text. */
const ODD = '{"jsonrpc":"2.0","id":"1.2","result":{"s":"\u00c3\u00bc\n"}}'.replace('\n', '\\n')

const requests: readonly ChannelRequest[] = [
  { op: 'open', upstreamId: 'files', legacy: undefined },
  { op: 'open', upstreamId: 'files', legacy: { clientInfo: '{"name":"\u00c3\u00bc"}', capabilities: '{}', revision: '2025-11-25', ownerKey: 'me', shared: true } },
  { op: 'call', channelId: 'c', idText: '"1.2"', method: 'tools/call', progressToken: '"1.2"', text: ODD },
  { op: 'notify', channelId: 'c', text: '{"jsonrpc":"2.0","method":"notifications/x"}' },
  { op: 'hold', channelId: 'c' },
]
const profile = { era: 'legacy', revision: '2025-11-25', capabilities: '{}', serverInfo: '', instructions: 'é' } as const
const answers: readonly ChannelAnswer[] = [
  { kind: 'opened', opened: { channelId: 'c', idPrefix: '7', profile, initializeResult: '{}' } },
  { kind: 'fault', fault: { reason: 'overloaded', detail: 'full', retryAfterSec: 2 } },
  { kind: 'elsewhere' },
  { kind: 'accepted' },
  { kind: 'failure', failure: { reason: 'closed', sent: true, detail: 'gone' } },
  { kind: 'closed', closed: { gone: true, detail: 'gone', wasIdle: false } },
]

describe('what replicas say of a child', () => {
  it.each(requests)('is read as it was written: $op', (request) => {
    expect(readChannelRequest(writeChannelRequest(request))).toEqual(request)
  })

  it.each(answers)('is read as it was written: $kind', (answer) => {
    expect(readChannelAnswer(writeChannelAnswer(answer))).toEqual(answer)
  })

  it.each(['message', 'aside', 'response'] as const)('keeps the bytes of a %s', (kind) => {
    expect(readChannelAnswer(writeChannelAnswer({ kind, message: message(ODD) }))).toMatchObject({ kind, message: { text: ODD, idText: '"1.2"' } })
  })

  it('stands on the wire so', () => {
    expect(writeChannelRequest({ op: 'notify', channelId: 'c', text: '{}' })).toBe('{"format":1,"op":"notify","channelId":"c"}\n{}')
    expect(answers.map((answer) => writeChannelAnswer(answer)[0])).toEqual(['o', 'f', 'e', 'k', 'x', 'c'])
  })

  it.each(['', 'nothing', '{}\n', '{"format":2,"op":"hold","channelId":"c"}\n', '{"format":1,"op":"open"}\n', '{"format":1,"op":"open","upstreamId":"a","legacy":{}}\n', '{"format":1,"op":"call","channelId":"c"}\n{}', '{"format":1,"op":"later","channelId":"c"}\n'])(
    'is not acted on where it is of another format: %j', (text) => expect(readChannelRequest(text)).toBeUndefined(),
  )

  it.each(['', 'z', 'r{', 'o', 'f[]'])('ends the answer where it cannot be understood: %j', (text) => expect(readChannelAnswer(text)).toBeUndefined())
})
