import { describe, expect, it } from 'vitest'
import { asciiJson } from '../../protocol/json.ts'
import { askedQuestions } from './asked-question.ts'

const asked = (params: object, method = 'elicitation/create') => askedQuestions({ '1.who': asciiJson({ method, params }) })

describe('what a task asks, to operators', () => {
  it('is the message and the form, by its key', () => {
    const schema = { type: 'object', properties: { name: { type: 'string', title: 'Näme' } }, required: ['name'] }
    expect(asked({ mode: 'form', message: 'Wer?', requestedSchema: schema, _meta: { 'x.y/secret': 1 } })).toEqual([{ key: '1.who', method: 'elicitation/create', message: 'Wer?', schema }])
  })

  it('is of a page what says where it is, and nothing that says who may open it', () => {
    const pageOf = (url: unknown) => asked({ mode: 'url', message: 'Sign in', elicitationId: 'secret-1', url })
    expect(pageOf('https://user:secret@shop.example:8443/connect/start?state=secret&code=secret#secret')).toEqual([
      { key: '1.who', method: 'elicitation/create', message: 'Sign in', url: 'https://shop.example:8443/connect/start' },
    ])
    const hidden = ['https://secret@shop.example/', 'https://shop.example/?secret', 'https://shop.example/#secret', 'https:user:secret@shop.example?${SECRET}', ' https://shop.example\t?secret']
    for (const url of hidden) expect(pageOf(url), url).toMatchObject([{ url: 'https://shop.example/' }])
    expect(pageOf(`https://shop.example/a/sk-${'a1'.repeat(20)}/b`)).toMatchObject([{ url: 'https://shop.example/a/<hidden>/b' }])
    for (const url of ['data:text/plain,secret', 'javascript:secret()', 'mailto:secret@shop.example', 'secret', '', '//secret']) expect(pageOf(url), url).toMatchObject([{ url: '' }])
    expect(pageOf(['https://secret'])).toEqual([{ key: '1.who', method: 'elicitation/create', message: 'Sign in' }])
  })

  it('is the last words to a model, and nothing of other requests', () => {
    const said = (content: unknown) => asked({ messages: [{ role: 'user', content: { type: 'text', text: 'Before' } }, { role: 'user', content }], maxTokens: 5 }, 'sampling/createMessage')
    expect(said({ type: 'text', text: 'Say it' })).toEqual([{ key: '1.who', method: 'sampling/createMessage', message: 'Say it' }])
    expect(said([{ type: 'image', data: 'AAAA', mimeType: 'image/png' }, { type: 'text', text: 'See' }, { type: 'text', text: 'this' }])).toMatchObject([{ message: 'See this' }])
    expect(asked({}, 'roots/list')).toEqual([{ key: '1.who', method: 'roots/list', message: '' }])
  })

  it('is told though its server wrote it in a way that no revision has', () => {
    expect(askedQuestions({ a: '1', b: '{"method":["x"],"params":{"message":7,"messages":[],"requestedSchema":[1]}}', c: 'null', ['__proto__']: '{}' }).map(({ message, method }) => method + message)).toEqual(['', '', '', ''])
    expect(asked({ messages: [null] })).toMatchObject([{ message: '' }])
  })
})
