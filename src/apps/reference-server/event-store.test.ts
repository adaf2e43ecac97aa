import { describe, expect, it } from 'vitest'
import type { JSONRPCMessage } from '@modelcontextprotocol/server'
import { createEventStore } from './event-store.ts'

const message = (method: string): JSONRPCMessage => ({ jsonrpc: '2.0', method })

describe('the event store', () => {
  it('replays what its stream sent after the given event, in order, and nothing of other streams', async () => {
    const store = createEventStore(100)
    await store.storeEvent('b', message('other'))
    const opened = await store.storeEvent('a', {} as JSONRPCMessage)
    for (const method of ['one', 'two']) {
      await store.storeEvent('a', message(method))
      await store.storeEvent('b', message('other'))
    }
    for (let count = 0; count < 10; count += 1) await store.storeEvent('a', message('late'))
    const replayed: string[] = []
    const streamId = await store.replayEventsAfter(opened, {
      send: async (_id, sent) => void replayed.push('method' in sent ? sent.method : 'no method'),
    })
    expect(streamId).toBe('a')
    expect(replayed).toEqual(['one', 'two', ...Array<string>(10).fill('late')])
  })

  it('does not replay the event that opened a stream', async () => {
    const store = createEventStore(100)
    const first = await store.storeEvent('a', message('one'))
    await store.storeEvent('a', {} as JSONRPCMessage)
    const replayed: unknown[] = []
    await store.replayEventsAfter(first, { send: async (_id, sent) => void replayed.push(sent) })
    expect(replayed).toEqual([])
  })

  it('forgets the oldest events beyond its bound, and then refuses to resume from them', async () => {
    const store = createEventStore(2)
    const first = await store.storeEvent('a', message('one'))
    const second = await store.storeEvent('a', message('two'))
    await store.storeEvent('a', message('three'))
    expect(await store.getStreamIdForEventId?.(first)).toBeUndefined()
    expect(await store.getStreamIdForEventId?.(second)).toBe('a')
    await expect(store.replayEventsAfter(first, { send: async () => undefined })).rejects.toThrow('too old')
  })
})
