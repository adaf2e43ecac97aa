import { describe, expect, it } from 'vitest'
import { isLogLevel, LOG_LEVELS, META, reachesLogLevel } from './meta.ts'

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
