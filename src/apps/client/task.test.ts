import { describe, expect, it } from 'vitest'
import type { JsonObject } from '../../protocol/json-value.ts'
import type { InputHandler } from './input.ts'
import type { RawResult } from './tap.ts'
import { followTask, isTask } from './task.ts'

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
  const following = followTask(created, {
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
    expect(isTask('tools/call', created)).toBe(true)
    expect(isTask('prompts/get', created)).toBe(false)
    expect(isTask('tools/call', raw('{"resultType":"complete","taskId":"t1"}'))).toBe(false)
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
