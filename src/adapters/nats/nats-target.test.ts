import { describe, expect, it } from 'vitest'
import { parseNatsUrl } from './nats-target.ts'

describe('the URL of a NATS', () => {
  it.each([
    ['nats://127.0.0.1', { servers: ['127.0.0.1:4222'] }],
    ['nats://a:80,b,[::1]:5000/', { servers: ['a:80', 'b:4222', '[::1]:5000'] }],
    ['tls://nats.example.com:4443', { servers: ['nats.example.com:4443'], tls: {} }],
    ['nats://alice:p%40ss:word@a', { servers: ['a:4222'], user: 'alice', password: 'p@ss:word' }],
    ['nats://a:1,nats://b:2', { servers: ['a:1', 'b:2'] }],
    ['tls://u:p@a,tls://b', { servers: ['a:4222', 'b:4222'], user: 'u', password: 'p', tls: {} }],
    ['nats://t0ken@a,b', { servers: ['a:4222', 'b:4222'], token: 't0ken' }],
  ])('%s', (url, target) => {
    expect(parseNatsUrl(url)).toEqual(target)
  })

  it.each(['', 'a:4222', 'http://a', 'nats://', 'nats://a/path', 'nats://a?x=1', 'nats://a b', 'nats://%zz:x@a', 'nats://a:99999', 'nats://a,,b', 'nats://u:p@a,u:p@b', 'nats://a,tls://b'])('is not %j', (url) => {
    expect(parseNatsUrl(url)).toBeUndefined()
  })
})
