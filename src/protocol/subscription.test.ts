import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  acknowledgedNotification, honourable, intersectFilters, listenResult, matches, NO_SUBSCRIPTIONS, readFilter, writeFilter,
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

const filters = fc.record({
  toolsListChanged: fc.boolean(),
  promptsListChanged: fc.boolean(),
  resourcesListChanged: fc.boolean(),
  resourceSubscriptions: fc.uniqueArray(fc.constantFrom<string[]>('a:1', 'a:2', 'a:3')),
  taskIds: fc.uniqueArray(fc.constantFrom<string[]>('t1', 't2')),
  other: fc.constantFrom({}, { x: true }),
})

describe('the acknowledged part', () => {
  it('is what both sides want', () => {
    const resourceSubscriptions = ['file:///b', 'file:///c']
    const upstream = read({ toolsListChanged: true, resourceSubscriptions, 'com.example/x': true, z: 1 })
    expect(writeFilter(intersectFilters(ALL, upstream))).toEqual({
      toolsListChanged: true,
      resourceSubscriptions: ['file:///b'],
      'com.example/x': true,
    })
  })

  it('is never more than was asked for, whatever the upstream says', () => {
    fc.assert(fc.property(filters, filters, (requested, honoured) => {
      const agreed = intersectFilters(requested, honoured)
      expect(intersectFilters(requested, agreed)).toEqual(agreed)
      expect(agreed.resourceSubscriptions.every((uri) => requested.resourceSubscriptions.includes(uri))).toBe(true)
      expect(!agreed.toolsListChanged || requested.toolsListChanged).toBe(true)
    }))
  })

  it('has only what the server can send', () => {
    const some = honourable(ALL, { tools: { listChanged: true }, prompts: {}, resources: { subscribe: true } })
    expect(some).toEqual({ ...ALL, promptsListChanged: false, resourcesListChanged: false })
    expect(honourable(ALL, {})).toEqual({ ...NO_SUBSCRIPTIONS, taskIds: ['t1', 't2'], other: ALL.other })
  })
})

describe('matching', () => {
  it.each([
    ['notifications/tools/list_changed', {}, true],
    ['notifications/prompts/list_changed', {}, false],
    ['notifications/resources/list_changed', {}, false],
    ['notifications/resources/updated', { uri: 'file:///a' }, true],
    ['notifications/resources/updated', { uri: 'file:///a/sub' }, true],
    ['notifications/resources/updated', { uri: 'file:///a#part' }, true],
    ['notifications/resources/updated', { uri: 'file:///ab' }, false],
    ['notifications/resources/updated', { uri: 'file:///' }, false],
    ['notifications/resources/updated', {}, false],
    ['notifications/tasks', { taskId: 't1' }, true],
    ['notifications/tasks', { taskId: 't3' }, false],
    ['notifications/progress', {}, false],
    ['notifications/message', {}, false],
    ['notifications/com.example/event', {}, false],
  ])('%s %j: %s', (method, params, expected) => {
    const filter = read({ toolsListChanged: true, resourceSubscriptions: ['file:///a'], taskIds: ['t1'] })
    expect(matches(filter, method, params)).toBe(expected)
  })

  it('takes everything under a URI that ends with a slash', () => {
    const filter = read({ resourceSubscriptions: ['file:///dir/'] })
    expect(matches(filter, 'notifications/resources/updated', { uri: 'file:///dir/a' })).toBe(true)
    expect(matches(filter, 'notifications/resources/updated', { uri: 'file:///dir' })).toBe(false)
  })

  it('lets notifications of an extension pass where the filter has a key of one, but none of a request', () => {
    const filter = read({ 'com.example/events': ['x'] })
    expect(matches(filter, 'notifications/com.example/event', {})).toBe(true)
    expect(matches(filter, 'notifications/message', {})).toBe(false)
  })
})

describe('what a listen stream begins and ends with', () => {
  it('is as the specification shows', () => {
    const filter = read({ toolsListChanged: true, resourceSubscriptions: ['file:///project/config.json'] })
    expect(acknowledgedNotification(1, filter)).toEqual({
      jsonrpc: '2.0',
      method: 'notifications/subscriptions/acknowledged',
      params: {
        _meta: { 'io.modelcontextprotocol/subscriptionId': 1 },
        notifications: { toolsListChanged: true, resourceSubscriptions: ['file:///project/config.json'] },
      },
    })
    expect(listenResult('a')).toEqual({ resultType: 'complete', _meta: { 'io.modelcontextprotocol/subscriptionId': 'a' } })
  })
})
