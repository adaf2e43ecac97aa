/** Tasks of either era, held against the schemas that both publish. */
import { readFileSync } from 'node:fs'
import Ajv2020 from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { describe, expect, it } from 'vitest'
import { toWireText } from './json.ts'
import type { JsonObject } from './json-value.ts'
import { parseMessage } from './message.ts'
import type { Message } from './message.ts'
import { TASK_STATUSES, isOver, isToolError, legacyTaskOf, readDetailedTask, readLegacyTask, readTask, relateTask, unrelateTask, unrelated, writeTask } from './task.ts'
import type { TaskState } from './task.ts'

const RELATED = 'io.modelcontextprotocol/related-task'

function schema(file: string): (type: string, value: unknown) => unknown {
  const ajv = new Ajv2020.default({ strict: false, allErrors: true })
  addFormats.default(ajv)
  ajv.addSchema(JSON.parse(readFileSync(new URL(`fixtures/${file}`, import.meta.url), 'utf8')), 'mcp')
  return (type, value) => {
    const validate = ajv.getSchema(`mcp#/$defs/${type}`) ?? expect.fail(`no type ${type}`)
    validate(value)
    return validate.errors ?? null
  }
}

const legacy = schema('schema/2025-11-25.json')
const modern = schema('ext-tasks/schema.json')

const STATE: TaskState = {
  status: 'working', statusMessage: 'half \u00fc way', createdAt: '2026-01-01T00:00:00Z', lastUpdatedAt: '2026-01-01T00:00:01Z', ttlMs: 60_000, pollIntervalMs: 50, other: { 'x/y': [1, null] },
}

function message(value: object): Message {
  const scan = parseMessage(toWireText(JSON.stringify({ jsonrpc: '2.0', id: 1, ...value })))
  return scan.ok ? scan.value : expect.fail(scan.fault.detail)
}

describe('a task', () => {
  it.each(TASK_STATUSES)('that is %s is valid in both eras, and read as it was written', (status) => {
    for (const [ttlMs, pollIntervalMs] of [[60_000, 50], [null, undefined]] as const) {
      const state: TaskState = { ...STATE, status, ttlMs, pollIntervalMs }
      const old = writeTask('a', state, 'legacy')
      expect(legacy('Task', old)).toBeNull()
      expect(legacy('CreateTaskResult', { task: old })).toBeNull()
      expect(readTask(old, 'legacy')).toEqual({ taskId: 'a', state })
      const flat = writeTask('a', state, 'modern')
      expect(modern('Task', flat)).toBeNull()
      expect(modern('CreateTaskResult', { resultType: 'task', ...flat })).toBeNull()
      expect(readTask(flat, 'modern')).toEqual({ taskId: 'a', state })
    }
  })

  it('is called by other names in the other era, and keeps what nobody knows', () => {
    expect(writeTask('a', STATE, 'legacy')).toEqual({ 'x/y': [1, null], taskId: 'a', status: 'working', statusMessage: 'half \u00fc way', createdAt: STATE.createdAt, lastUpdatedAt: STATE.lastUpdatedAt, ttl: 60_000, pollInterval: 50 })
    expect(writeTask('a', STATE, 'modern')).toMatchObject({ ttlMs: 60_000, pollIntervalMs: 50 })
  })

  it.each([undefined, null, [], 'task', {}, { taskId: 1 }, { taskId: 'a', status: 'odd', createdAt: '' }, { taskId: 'a', status: 'working' }])('is none: %j', (value) => {
    expect(readTask(value, 'legacy')).toBeUndefined()
    expect(readTask(value, 'modern')).toBeUndefined()
  })

  it('has ended in three of its states', () => {
    expect(TASK_STATUSES.filter(isOver)).toEqual(['completed', 'cancelled', 'failed'])
  })

  it('is found in the result of a legacy call, and in nothing else', () => {
    const task = writeTask('a', STATE, 'legacy') as JsonObject
    expect(legacyTaskOf(message({ result: { task } }))).toEqual({ taskId: 'a', state: STATE })
    expect(legacyTaskOf(message({ result: { content: [], task: { name: 'x' } } }))).toBeUndefined()
    expect(legacyTaskOf(message({ result: { content: [] } }))).toBeUndefined()
    expect(legacyTaskOf(message({ error: { code: 1, message: '' } }))).toBeUndefined()
  })

  it('is what a legacy server says of one that it is asked about, or tells of by itself; an error is none', () => {
    const task = writeTask('a', STATE, 'legacy') as JsonObject
    expect(readLegacyTask(message({ result: task }))).toEqual({ taskId: 'a', state: STATE })
    expect(readLegacyTask(message({ id: undefined, method: 'notifications/tasks/status', params: task }))).toEqual({ taskId: 'a', state: STATE })
    expect(readLegacyTask(message({ result: { task } }))).toBeUndefined()
    expect(readLegacyTask(message({ error: { code: -32_602, message: '', ...task } }))).toBeUndefined()
  })

  it('with its details keeps the bytes of its result', () => {
    const task = writeTask('a', { ...STATE, status: 'completed' }, 'modern')
    const text = toWireText(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { resultType: 'complete', ...task, result: 0 } }).replace('"result":0', '"result":{ "n": 12345678901234567890, "\u00fc": 1.0 }'))
    const scan = parseMessage(text)
    const detailed = scan.ok ? readDetailedTask(scan.value) : undefined
    expect(detailed).toEqual({ taskId: 'a', state: { ...STATE, status: 'completed' }, resultText: toWireText('{ "n": 12345678901234567890, "\u00fc": 1.0 }'), errorText: undefined })
    expect(readDetailedTask(message({ result: { content: [] } }))).toBeUndefined()
  })
})

describe('a message of a task', () => {
  const related = { [RELATED]: { taskId: 'a' } }
  it.each([
    [{ method: 'roots/list' }, { method: 'roots/list', params: { _meta: related } }],
    [{ method: 'x', params: { a: 1 } }, { method: 'x', params: { a: 1, _meta: related } }],
    [{ method: 'x', params: { _meta: { b: 1 } } }, { method: 'x', params: { _meta: { b: 1, ...related } } }],
    [{ result: { _meta: { [RELATED]: { taskId: 'other', more: 1 } } } }, { result: { _meta: related } }],
    [{ result: {} }, { result: { _meta: related } }],
  ])('names it, and no longer: %j', (value, expected) => {
    const whole = { jsonrpc: '2.0', id: 1, ...value }
    const named = relateTask(JSON.stringify(whole), 'a')
    expect(JSON.parse(named)).toEqual({ jsonrpc: '2.0', id: 1, ...expected })
    expect(unrelateTask(named)).not.toContain(RELATED)
    expect(unrelated(message(expected)).text).not.toContain(RELATED)
  })

  it('that names none stays the very same', () => {
    const one = message({ result: { a: 1 } })
    expect(unrelated(one)).toBe(one)
    expect(unrelateTask(one.text)).toBe(one.text)
  })

  it('says whether its tool failed', () => {
    expect([isToolError('{"isError":true}'), isToolError('{"isError":false}'), isToolError('{}'), isToolError('x')]).toEqual([true, false, false, false])
  })
})
