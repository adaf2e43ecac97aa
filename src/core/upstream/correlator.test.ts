import { describe, expect, it } from 'vitest'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import type { ChannelCall } from './channel.ts'
import { createCorrelator } from './correlator.ts'

const ignore = (): void => undefined
const callOf = (idText: string): ChannelCall => ({ text: '', idText, method: 'tools/call', progressToken: '', headers: [], handler: { onMessage: () => true, onResponse: ignore, onFailure: ignore } })
const answerTo = (idText: string): Message => {
  const scan = parseMessage(`{"jsonrpc":"2.0","id":${idText},"result":{}}`)
  return scan.ok ? scan.value : expect.fail('no message')
}

describe('the answer to a call that was given up', () => {
  it('is heard once by who asked for it, and is a stray for all others', () => {
    const correlator = createCorrelator({ isModern: true })
    const late: string[] = []
    for (const idText of ['1', '2']) correlator.add(callOf(idText))
    correlator.remove('1', ({ idText }) => late.push(idText))
    correlator.remove('2')
    expect(['1', '2', '1'].map((idText) => correlator.route(answerTo(idText)))).toEqual(['delivered', 'stray', 'stray'])
    expect(late).toEqual(['1'])
  })

  it('is not waited for by more than 64, nor when the channel has failed', () => {
    const correlator = createCorrelator({ isModern: true })
    const late: string[] = []
    const ids = Array.from({ length: 65 }, (_, at) => String(at))
    for (const idText of ids) {
      correlator.add(callOf(idText))
      correlator.remove(idText, (answer) => late.push(answer.idText))
    }
    for (const idText of ['0', '1']) correlator.route(answerTo(idText))
    correlator.failAll({ reason: 'closed', sent: true, detail: 'gone' })
    correlator.route(answerTo('2'))
    expect(late).toEqual(['1'])
  })
})
