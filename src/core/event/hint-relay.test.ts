import { describe, expect, it } from 'vitest'
import { createMemoryTelemetry } from '../../adapters/memory/telemetry.ts'
import { createHintRelay } from './hint-relay.ts'
import type { HintRelay } from './hint-relay.ts'
import { parseHintText } from './hint-text.ts'
import { MISSED } from './hints.ts'

const MAX_TEXT_BYTES = 1_000

function relayOf(from = 'a'): { relay: HintRelay; sent: string[]; wire: (text: string) => Promise<void>; value: (what: string) => number } {
  const telemetry = createMemoryTelemetry()
  const sent: string[] = []
  const wire = async (text: string): Promise<void> => void sent.push(text)
  return { relay: createHintRelay({ from, maxTextBytes: MAX_TEXT_BYTES, telemetry }), sent, wire, value: (what) => telemetry.value('portolan_hints_total', { what }) }
}

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve))
const hintsIn = (texts: readonly string[]) => texts.flatMap((text) => parseHintText(text)?.hints ?? [])

describe('a hint relay', () => {
  it('writes hints as this version does', async () => {
    const { relay, sent, wire } = relayOf()
    relay.up(wire)
    relay.publish({ topic: 'tools up', revision: 'ü' })
    relay.publish({ topic: 'b', revision: '2' })
    await turn()
    relay.publish({ topic: 'b', revision: '2' })
    await turn()
    expect(sent).toEqual(['{"v":1,"from":"a","n":0,"hints":[["tools up","\\u00fc"],["b","2"]]}', '{"v":1,"from":"a","n":1,"hints":[["b","2"]]}'])
  })

  it('keeps what is published while the wire is away or busy: the last of each topic', async () => {
    const { relay, sent, wire } = relayOf()
    relay.publish({ topic: 'a', revision: '1' })
    relay.publish({ topic: 'a', revision: '2' })
    await turn()
    let free = (): void => {}
    relay.up(async (text) => {
      await wire(text)
      await new Promise<void>((resolve) => (free = resolve))
    })
    await turn()
    for (const revision of ['3', '4']) relay.publish({ topic: 'a', revision })
    await turn()
    expect(hintsIn(sent)).toEqual([{ topic: 'a', revision: '2' }])
    free()
    await turn()
    expect(hintsIn(sent).at(-1)).toEqual({ topic: 'a', revision: '4' })
    expect(sent).toHaveLength(2)
  })

  it('sends again what the wire may have lost, unless it is out of date', async () => {
    const { relay, sent, wire } = relayOf()
    relay.up(() => {
      relay.publish({ topic: 'b', revision: 'newer' })
      return Promise.reject(new Error('lost'))
    })
    relay.publish({ topic: 'a', revision: '1' })
    relay.publish({ topic: 'b', revision: 'older' })
    await turn()
    expect(relay.isUp()).toBe(false)
    relay.up(wire)
    await turn()
    expect(new Map(hintsIn(sent).map(({ topic, revision }) => [topic, revision]))).toEqual(new Map([['a', '1'], ['b', 'newer']]))
  })

  it('never sends a text beyond the limit, and loses no hint by that', async () => {
    const { relay, sent, wire } = relayOf()
    const topics = Array.from({ length: 100 }, (_, at) => `tëst ${at} ${'x'.repeat(at)}`)
    for (const topic of topics) relay.publish({ topic, revision: '1' })
    relay.up(wire)
    await turn()
    expect(sent.every((text) => Buffer.byteLength(text) <= MAX_TEXT_BYTES)).toBe(true)
    expect(hintsIn(sent).map(({ topic }) => topic)).toEqual(topics)
  })

  it('tells the others that it had more than it could send', async () => {
    const { relay, sent, wire } = relayOf()
    relay.up(wire)
    relay.publish({ topic: 'x'.repeat(MAX_TEXT_BYTES), revision: '1' })
    await turn()
    expect(sent).toEqual(['{"v":1,"from":"a","n":0,"missed":true,"hints":[]}'])
    relay.down()
    for (let at = 0; at < 10_001; at++) relay.publish({ topic: String(at), revision: '1' })
    relay.up(wire)
    await turn()
    expect(sent.slice(1)).toEqual(['{"v":1,"from":"a","n":1,"missed":true,"hints":[]}'])
  })

  it('tells its own listeners of a gap whenever the wire comes back, of its own hints at once, and of them only once', async () => {
    const { relay, sent, wire, value } = relayOf()
    const got: string[] = []
    relay.subscribe('a', ({ revision }) => got.push(revision))
    relay.publish({ topic: 'a', revision: '1' })
    await turn()
    expect(got).toEqual(['1'])
    relay.up(wire)
    await turn()
    for (const text of sent) relay.receive(text)
    await turn()
    expect(got).toEqual(['1', MISSED])
    expect([value('sent'), value('received'), value('gap')]).toEqual([1, 0, 1])
  })

  it('takes no text for more than it is', async () => {
    const { relay, value } = relayOf()
    const got: string[] = []
    relay.subscribe('a', ({ revision }) => got.push(revision))
    const foreign = ['', 'null', '{}', '{"v":1}', '{"v":2,"from":"b","hints":[["a","1"]]}', '{"v":"1","from":"b","hints":[["a","1"]]}', '{"v":1,"from":"b","hints":{"0":["a","1"]}}']
    for (const text of foreign) relay.receive(text)
    relay.receive('{"v":1,"from":"b","n":0,"hints":[null,["a",1],["__proto__","1"],["a","2"]]}')
    await turn()
    expect(got).toEqual(['2'])
    expect(value('ignored')).toBe(foreign.length)
  })
})
