import { describe, expect, it } from 'vitest'
import { asciiJson } from '../../protocol/json.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { Message } from '../../protocol/message.ts'
import { createSessionTasks } from './session-tasks.ts'

function message(method: string, params: JsonObject, id?: string): Message {
  const scan = parseMessage(asciiJson({ jsonrpc: '2.0', ...(id === undefined ? {} : { id }), method, params }))
  if (!scan.ok) throw new Error(scan.fault.detail)
  return scan.value
}

const question = (taskId?: string): Message =>
  message('elicitation/create', taskId === undefined ? {} : { _meta: { 'io.modelcontextprotocol/related-task': { taskId } } }, 'q')

/** Two tasks in a session; says who hears a message, with a call in flight or without. */
function session(...taskIds: string[]) {
  const tasks = createSessionTasks()
  const heard: string[] = []
  const ends = new Map(taskIds.map((taskId) => [taskId, tasks.keep(taskId, () => void heard.push(taskId))]))
  return {
    end: (taskId: string) => ends.get(taskId)?.(),
    hear(told: Message, hasCall = true): string[] {
      heard.length = 0
      for (const listener of tasks.listeners(told, hasCall ? () => void heard.push('call') : undefined)) listener(told)
      return [...heard]
    },
  }
}

describe('a message in a session where tasks go on', () => {
  it('that names a task is that task\'s, whoever else uses the session', () => {
    const { hear } = session('a', 'b')
    expect([hear(question('a')), hear(question('b'), false)]).toEqual([['a'], ['b']])
    expect(hear(message('notifications/tasks/status', { taskId: 'b', status: 'working' }))).toEqual(['b'])
  })

  it('that names none is the call\'s; without a call the only task\'s, of several nobody\'s', () => {
    expect(session('a').hear(question())).toEqual(['call'])
    expect(session('a').hear(question(), false)).toEqual(['a'])
    expect(session('a', 'b').hear(question(), false)).toEqual([])
  })

  it('that names a task which is over is nobody\'s; one that is being made is the call\'s', () => {
    const { end, hear } = session('a', 'b')
    expect([end('a'), end('a')]).toEqual([true, false])
    expect([hear(question('a')), hear(question('new')), hear(question('new'), false)]).toEqual([[], ['call'], []])
  })

  it('that takes a question back is told to all: it names the question only', () => {
    expect(session('a', 'b').hear(message('notifications/cancelled', { requestId: 'q' }))).toEqual(['call', 'a', 'b'])
  })
})
