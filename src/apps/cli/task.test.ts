import { describe, expect, it } from 'vitest'
import type { TaskDetail } from '../admin/task-resource.ts'
import { detailText } from './task.ts'

const TASK: TaskDetail = {
  id: 't1', phase: 'asking', server: 'files', tool: 'deploy', owner: 'Alice', attempts: 1, reason: '', message: 'on it', createdAtMs: 0, updatedAtMs: 0, nextAtMs: 0, holder: '', retriedAs: '',
  endpoint: '', epoch: 1, isDispatched: false, isRepeatable: false, maxAttempts: 3, isOfServer: false, deadlineAtMs: 0, expiresAtMs: 0, requestBytes: 7, resultBytes: 0, asks: ['1.who', '1.page'], failures: [],
}

describe('a task for people', () => {
  it('says what is asked in it, each question with its form or its page', () => {
    const text = detailText({
      ...TASK,
      questions: [
        { key: '1.who', method: 'elicitation/create', message: 'Who?', schema: { type: 'object', properties: { name: { type: 'string' } } } },
        { key: '1.page', method: 'elicitation/create', message: 'Sign in', url: 'https://shop.example/start' },
        { key: '1.odd', method: 'elicitation/create', message: 'Run this', url: '' },
      ],
    })
    expect(text).toContain([
      'questions',
      '  1.who elicitation/create: Who?',
      '    form      {"type":"object","properties":{"name":{"type":"string"}}}',
      '  1.page elicitation/create: Sign in',
      '    page      https://shop.example/start',
      '  1.odd elicitation/create: Run this',
      '    page      no web page',
      '',
    ].join('\n'))
  })

  it('steers no terminal, whatever a server asks', () => {
    const text = detailText({ ...TASK, asks: [], questions: [{ key: 'a\u001B[2J', method: 'x\u001B', message: 'one\ntwo\u202E', schema: { 'k\u001B': '\u009B' }, url: 'https://x.example/\u001B' }] })
    for (const unseen of ['\u001B', '\u009B', '\u202E']) expect(text).not.toContain(unseen)
    expect(text.split('\n').filter((line) => line.includes('two'))).toEqual(['  a\\u001b[2J x\\u001b: one\\u000atwo\\u202e'])
  })

  it('names the keys alone where a Portolan of an older version answers', () => {
    const text = detailText(TASK)
    expect(text).toContain('waits for   1.who, 1.page')
    expect(text).not.toContain('questions')
  })
})
