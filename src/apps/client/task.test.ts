import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { InputHandler } from './input.ts'
import type { RawResult } from './tap.ts'
import type { FollowOptions } from './task.ts'
import { createdTaskId, followCall, followTask } from './task.ts'

const raw = (text: string): RawResult => ({ text, value: JSON.parse(text) as JsonObject })
const created = raw('{"resultType":"task","taskId":"t1","status":"working","pollIntervalMs":1}')

interface Asked {
  readonly method: string
  readonly params: JsonObject
}

function play(states: readonly string[], input?: InputHandler, signal?: AbortSignal) {
  const asked: Asked[] = []
  const said: string[] = []
  let at = 0
  const following = followCall('t1', 'modern', {
    async ask(method, params) {
      asked.push({ method, params })
      return method === 'tasks/get' ? raw(`{"resultType":"complete","taskId":"t1","pollIntervalMs":1,${states[Math.min(at++, states.length - 1)] ?? ''}}`) : raw('{"resultType":"complete"}')
    },
    input,
    signal,
    onStatus: (message) => said.push(message),
  })
  return { following, asked, said }
}

describe('a call that its server made a task of', () => {
  it('is told from a result, and only tools may answer so', () => {
    expect(createdTaskId('tools/call', created, 'modern', false)).toBe('t1')
    expect(createdTaskId('prompts/get', created, 'modern', true)).toBeUndefined()
    expect(createdTaskId('tools/call', raw('{"resultType":"complete","taskId":"t1"}'), 'modern', true)).toBeUndefined()
    const nested = raw('{"task":{"taskId":"t1","status":"working"}}')
    expect(createdTaskId('tools/call', nested, 'legacy', true)).toBe('t1')
    expect(createdTaskId('tools/call', nested, 'modern', true)).toBeUndefined()
    expect(createdTaskId('tools/call', created, 'legacy', true)).toBeUndefined()
    expect(createdTaskId('tools/call', nested, 'legacy', false)).toBeUndefined()
  })

  it('gives its result as the server wrote it, and says meanwhile what it is about', async () => {
    const { following, asked, said } = play(['"status":"working","statusMessage":"half"', '"status":"working","statusMessage":"half"', '"status":"completed","result":{"content":[],"n":12345678901234567890}'])
    expect((await following).text).toBe('{"content":[],"n":12345678901234567890}')
    expect(asked).toEqual(Array.from({ length: 3 }, () => ({ method: 'tasks/get', params: { taskId: 't1' } })))
    expect(said).toEqual(['half'])
  })

  it('is answered once for each key, however often it is seen', async () => {
    const question = '"status":"input_required","inputRequests":{"k":{"method":"roots/list"}}'
    const input: InputHandler = { elicit: async () => ({}), sample: async () => undefined, roots: () => [{ uri: 'file:///a' }] }
    const { following, asked } = play([question, question, '"status":"completed","result":{}'], input)
    await following
    expect(asked.filter(({ method }) => method === 'tasks/update')).toEqual([{ method: 'tasks/update', params: { taskId: 't1', inputResponses: { k: { roots: [{ uri: 'file:///a' }] } } } }])
  })

  it('is given up where it asks for ever, and waits between its rounds', async () => {
    let round = 0
    let atOnce = 0
    const askedAtMs: number[] = []
    const following = followTask('t1', 'modern', {
      async ask(method) {
        if (method === 'tasks/update') askedAtMs.push(performance.now())
        else if (performance.now() - (askedAtMs.at(-1) ?? -1_000) < 40) atOnce += 1
        return raw(method === 'tasks/get' ? `{"resultType":"complete","status":"input_required","pollIntervalMs":1,"inputRequests":{"k${round++}":{"method":"roots/list"}}}` : '{"resultType":"complete"}')
      },
      input: { elicit: async () => ({}), sample: async () => undefined, roots: () => [] },
      signal: undefined,
      onStatus: () => undefined,
    })
    await expect(following).rejects.toMatchObject({ code: 'lost', message: 'The server still asks for input after 64 rounds.' })
    expect([round, askedAtMs.length, atOnce]).toEqual([65, 64, 0])
  })

  it('fails as the call would have failed', async () => {
    await expect(play(['"status":"failed","error":{"code":7,"message":"no"}']).following).rejects.toMatchObject({ rpcCode: 7, message: 'no' })
    await expect(play(['"status":"cancelled"']).following).rejects.toMatchObject({ code: 'cancelled' })
  })

  it('is cancelled with the call, by tasks/cancel', async () => {
    const abort = new AbortController()
    const { following, asked } = play(['"status":"working"'], undefined, abort.signal)
    setTimeout(() => abort.abort(), 20)
    await expect(following).rejects.toThrow()
    expect(asked.at(-1)).toEqual({ method: 'tasks/cancel', params: { taskId: 't1' } })
  })
})

describe('a task of 2025-11-25', () => {
  function playLegacy(states: readonly string[], { signal, result = async () => raw('{"content":[],"n":12345678901234567890}') }: { signal?: AbortSignal; result?: () => Promise<RawResult> } = {}) {
    const asked: string[] = []
    const said: string[] = []
    let at = 0
    const options: FollowOptions = {
      async ask(method) {
        asked.push(method)
        if (method === 'tasks/result') return result()
        return method === 'tasks/get' ? raw(`{"taskId":"t1","pollInterval":1,${states[Math.min(at++, states.length - 1)] ?? ''}}`) : raw('{}')
      },
      input: undefined,
      signal,
      onStatus: (message) => said.push(message),
    }
    return { options, asked, said }
  }

  it('is polled until it is over, and its result fetched as the server wrote it', async () => {
    const { options, asked, said } = playLegacy(['"status":"working","statusMessage":"half"', '"status":"working","statusMessage":"half"', '"status":"completed"'])
    expect((await followCall('t1', 'legacy', options)).text).toBe('{"content":[],"n":12345678901234567890}')
    expect(asked).toEqual(['tasks/get', 'tasks/get', 'tasks/get', 'tasks/result'])
    expect(said).toEqual(['half'])
  })

  it('is asked for its result once while it wants input, and polled all the same', async () => {
    let finish = (_result: RawResult): void => undefined
    const { options, asked } = playLegacy(['"status":"input_required"'], { result: () => new Promise((resolve) => void (finish = resolve)) })
    const following = followCall('t1', 'legacy', options)
    await expect.poll(() => asked.filter((method) => method === 'tasks/get').length).toBeGreaterThan(3)
    finish(raw('{"content":[]}'))
    expect((await following).text).toBe('{"content":[]}')
    expect(asked.filter((method) => method === 'tasks/result')).toHaveLength(1)
  })

  it('leaves no timer when its result comes before the next poll', async () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((what) => what === 'Timeout').length
    const before = timers()
    const ask: FollowOptions['ask'] = async (method) => {
      if (method === 'tasks/get') return raw('{"taskId":"t1","pollInterval":30000,"status":"input_required"}')
      return new Promise((resolve) => setImmediate(() => resolve(raw('{"content":[]}'))))
    }
    await followCall('t1', 'legacy', { ask, input: undefined, signal: undefined, onStatus: () => undefined })
    expect(timers()).toBe(before)
  })

  it('fails as its call would have failed, or says that it was cancelled', async () => {
    const failed = playLegacy(['"status":"failed"'], { result: () => Promise.reject(new Error('no')) })
    await expect(followCall('t1', 'legacy', failed.options)).rejects.toThrow('no')
    await expect(followCall('t1', 'legacy', playLegacy(['"status":"cancelled"']).options)).rejects.toMatchObject({ code: 'cancelled' })
  })

  it.each([['is cancelled with its call', followCall, true], ['goes on where only the wait is given up', followTask, false]] as const)('%s', async (_what, follow, isCancelled) => {
    const abort = new AbortController()
    const { options, asked } = playLegacy(['"status":"working"'], { signal: abort.signal })
    const following = follow('t1', 'legacy', options)
    setTimeout(() => abort.abort(), 20)
    await expect(following).rejects.toThrow()
    expect(asked.includes('tasks/cancel')).toBe(isCancelled)
  })
})
