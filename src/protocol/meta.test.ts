import { describe, expect, it } from 'vitest'
import {
  isExtensionId, isLogLevel, isMetaKey, isProgressToken, isReservedMetaKey, LOG_LEVELS, META, OWN_META_PREFIX, reachesLogLevel,
} from './meta.ts'

describe('names in _meta', () => {
  it('are those of the specification', () => {
    expect(META).toEqual({
      progressToken: 'progressToken',
      protocolVersion: 'io.modelcontextprotocol/protocolVersion',
      clientInfo: 'io.modelcontextprotocol/clientInfo',
      clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
      logLevel: 'io.modelcontextprotocol/logLevel',
      subscriptionId: 'io.modelcontextprotocol/subscriptionId',
      serverInfo: 'io.modelcontextprotocol/serverInfo',
      relatedTask: 'io.modelcontextprotocol/related-task',
      traceparent: 'traceparent',
      tracestate: 'tracestate',
      baggage: 'baggage',
    })
    expect(OWN_META_PREFIX).toBe('dev.portolan/')
    expect(isMetaKey(`${OWN_META_PREFIX}replica`)).toBe(true)
    expect(isReservedMetaKey(`${OWN_META_PREFIX}replica`)).toBe(false)
  })

  it.each([
    'a', 'a/b', 'com.example/a_b.c-d', 'io.modelcontextprotocol/x', 'a1-b.c2/', '', '0', 'a.b/',
  ])('%j has the form of a key', (key) => {
    expect(isMetaKey(key)).toBe(true)
  })

  it.each(['/a', '1a/b', 'a-/b', 'a..b/c', 'a/b/c', '-a', 'a_', 'a b', 'a_b/c', 'a\n', 'é'])('%j has not', (key) => {
    expect(isMetaKey(key)).toBe(false)
  })

  it.each([
    'io.modelcontextprotocol/a', 'dev.mcp/', 'org.modelcontextprotocol.api/x', 'com.mcp.tools/x', 'progressToken',
    'traceparent', 'baggage',
  ])(
    '%j is reserved',
    (key) => expect(isReservedMetaKey(key)).toBe(true),
  )

  it.each(['com.example.mcp/x', 'mcp/x', 'modelcontextprotocol', 'x'])('%j is not reserved', (key) => {
    expect(isReservedMetaKey(key)).toBe(false)
  })

  it('an extension has a prefix and a name', () => {
    expect(isExtensionId('io.modelcontextprotocol/ui')).toBe(true)
    expect(['ui', 'a/', '/a', 'a/b/c'].some(isExtensionId)).toBe(false)
  })
})

describe('log levels', () => {
  it('rise from debug to emergency', () => {
    expect(LOG_LEVELS).toEqual(['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'])
    expect(reachesLogLevel('error', 'warning')).toBe(true)
    expect(reachesLogLevel('warning', 'warning')).toBe(true)
    expect(reachesLogLevel('notice', 'warning')).toBe(false)
  })

  it('are eight words', () => {
    expect([isLogLevel('info'), isLogLevel('INFO'), isLogLevel('trace'), isLogLevel(1)]).toEqual([true, false, false, false])
  })
})

describe('a progress token', () => {
  it('is a string or an integer', () => {
    expect(['', 'a', 0, -1].every(isProgressToken)).toBe(true)
    expect([1.5, null, true, {}, Number.NaN].some(isProgressToken)).toBe(false)
  })
})
