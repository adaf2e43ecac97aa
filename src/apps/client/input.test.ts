import { describe, expect, it } from 'vitest'
import { answerRound, inputCapabilities, withDefaults } from './input.ts'
import type { InputHandler } from './input.ts'

const handler = (over: Partial<InputHandler> = {}): InputHandler => ({
  elicit: () => Promise.resolve({ action: 'accept', content: {} }),
  sample: () => Promise.resolve({ role: 'assistant', model: 'm', content: { type: 'text', text: 'hi' } }),
  roots: () => [{ uri: 'file:///r' }],
  ...over,
})
const signal = new AbortController().signal

describe('what a client offers', () => {
  it('is input where somebody answers, else nothing', () => {
    expect(Object.keys(inputCapabilities(handler()))).toEqual(['elicitation', 'sampling', 'roots'])
    expect(inputCapabilities(undefined)).toEqual({})
  })
})

describe('an accepted form', () => {
  const params = { requestedSchema: { properties: { a: { type: 'string', default: 'x' }, b: { type: 'integer' }, c: { type: 'boolean', default: false } } } }

  it('takes the defaults of what was left out, and of nothing else', () => {
    expect(withDefaults(params, { action: 'accept', content: { a: 'own' } })).toEqual({ action: 'accept', content: { a: 'own', c: false } })
    expect(withDefaults(params, { action: 'decline' })).toEqual({ action: 'decline' })
    expect(withDefaults({ mode: 'url' }, { action: 'accept' })).toEqual({ action: 'accept' })
  })
})

describe('a round of input', () => {
  const elicit = { method: 'elicitation/create', params: { message: 'm' } }

  it('is answered under its keys', async () => {
    const answers = await answerRound(handler(), { one: elicit, two: { method: 'sampling/createMessage' }, three: { method: 'roots/list' } }, signal)
    expect(answers).toEqual({
      one: { action: 'accept', content: {} },
      two: { role: 'assistant', model: 'm', content: { type: 'text', text: 'hi' } },
      three: { roots: [{ uri: 'file:///r' }] },
    })
  })

  it('fails as a whole where one is refused, and takes the other questions back', async () => {
    let wasAborted = false
    const slow: InputHandler['elicit'] = (_params, aborted) => new Promise((resolve) => {
      aborted.addEventListener('abort', () => {
        wasAborted = true
        resolve({ action: 'cancel' })
      })
    })
    const round = answerRound(handler({ elicit: slow, sample: () => Promise.resolve(undefined) }), { one: elicit, two: { method: 'sampling/createMessage' } }, signal)
    await expect(round).rejects.toMatchObject({ code: 'declined' })
    expect(wasAborted).toBe(true)
  })

  it('is refused where nothing was offered, and where a question cannot be read', async () => {
    await expect(answerRound(undefined, { one: elicit }, signal)).rejects.toMatchObject({ code: 'declined' })
    await expect(answerRound(handler(), { one: 5 }, signal)).rejects.toMatchObject({ code: 'declined' })
    await expect(answerRound(handler(), { one: { method: 'shell/run' } }, signal)).rejects.toThrow(/shell\/run/)
    expect(await answerRound(undefined, {}, signal)).toEqual({})
  })
})
