import { describe, expect, it } from 'vitest'
import {
  acknowledgedText, covers, honourable, listenResultText, NO_SUBSCRIPTIONS, readFilter, writeFilter,
} from './subscription.ts'
import type { SubscriptionFilter } from './subscription.ts'
import type { JsonValue } from './json-value.ts'

function read(value: JsonValue): SubscriptionFilter {
  const filter = readFilter(value)
  return filter.ok ? filter.value : expect.fail(filter.fault.reason)
}

const ALL = read({
  toolsListChanged: true,
  promptsListChanged: true,
  resourcesListChanged: true,
  resourceSubscriptions: ['file:///a', 'file:///b', 'file:///a'],
  taskIds: ['t1', 't2'],
  'com.example/x': { y: 1 },
})

describe('reading a filter', () => {
  it('takes what is not named for not wanted', () => {
    expect(read({})).toEqual(NO_SUBSCRIPTIONS)
    expect(read({ toolsListChanged: false })).toEqual(NO_SUBSCRIPTIONS)
  })

  it('keeps each URI once and unknown keys as they came', () => {
    expect(ALL.resourceSubscriptions).toEqual(['file:///a', 'file:///b'])
    expect(ALL.other).toEqual({ 'com.example/x': { y: 1 } })
  })

  it.each([
    [undefined, undefined], [null, undefined], [[], undefined], ['all', undefined],
    [{ toolsListChanged: 'yes' }, 'toolsListChanged'], [{ resourceSubscriptions: 'file:///a' }, 'resourceSubscriptions'],
    [{ resourceSubscriptions: [1] }, 'resourceSubscriptions'], [{ taskIds: {} }, 'taskIds'],
  ])('refuses %j', (value, key) => {
    const filter = readFilter(value)
    expect(filter).toMatchObject({ ok: false, fault: { reason: 'wrong_type', key } })
  })

  it('writes back what it read, without what is not wanted', () => {
    expect(writeFilter(NO_SUBSCRIPTIONS)).toEqual({})
    expect(writeFilter(ALL)).toEqual({
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      resourceSubscriptions: ['file:///a', 'file:///b'],
      taskIds: ['t1', 't2'],
      'com.example/x': { y: 1 },
    })
    expect(read(writeFilter(ALL))).toEqual(ALL)
  })
})

describe('the acknowledged part', () => {
  it('has only what the server can send', () => {
    const some = honourable(ALL, { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true } })
    expect(some).toEqual({ ...ALL, promptsListChanged: false, resourcesListChanged: false })
    expect(honourable(ALL, {})).toEqual({ ...NO_SUBSCRIPTIONS, taskIds: ['t1', 't2'], other: ALL.other })
  })
})

describe('an update', () => {
  it.each([
    ['file:///a', 'file:///a', true],
    ['file:///a', 'file:///a/sub', true],
    ['file:///a', 'file:///a#part', true],
    ['file:///a', 'file:///a?x=1', true],
    ['file:///a', 'file:///ab', false],
    ['file:///a', 'file:///', false],
    ['file:///dir/', 'file:///dir/a', true],
    ['file:///dir/', 'file:///dir', false],
  ])('of a subscription to %s may name %s: %s', (subscribed, updated, expected) => {
    expect(covers(subscribed, updated)).toBe(expected)
  })
})

describe('what a listen stream begins and ends with', () => {
  it('names the listen by its id as written, however large', () => {
    expect(acknowledgedText('12345678901234567890', NO_SUBSCRIPTIONS)).toContain('/subscriptionId":12345678901234567890}')
  })

  it('is as the specification shows', () => {
    const filter = read({ toolsListChanged: true, resourceSubscriptions: ['file:///project/config.json'] })
    expect(JSON.parse(acknowledgedText('1', filter))).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        _meta: { 'io.modelcontextprotocol/subscriptionId': 1 },
        notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///project/config.json'] },
      },
    })
    expect(listenResultText('"a"')).toBe('{"resultType":"complete","_meta":{"io.modelcontextprotocol/subscriptionId":"a"}}')
  })
})
