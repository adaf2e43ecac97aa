import { describe, expect, it } from 'vitest'
import { createHosts, databaseNameOf, hostUrlsOf } from './hosts.ts'

describe('a database URL of several hosts', () => {
  it.each([
    ['postgres://u:a,b@db/p', ['postgres://u:a,b@db/p']],
    ['postgres://db/p?host=/run/postgresql', ['postgres://db/p?host=/run/postgresql']],
    ['postgres://u:a,b@a:5432,b/p?sslmode=verify-full', ['postgres://u:a,b@a:5432/p?sslmode=verify-full', 'postgres://u:a,b@b/p?sslmode=verify-full']],
    ['postgresql://[::1]:1,[fd00::2]:2/p', ['postgresql://[::1]:1/p', 'postgresql://[fd00::2]:2/p']],
    ['postgres:///p?host=a,b&port=1,2', ['postgres:///p?host=a&port=1', 'postgres:///p?host=b&port=2']],
    ['postgres:///p?host=a,b&port=1&user=u', ['postgres:///p?host=a&port=1&user=u', 'postgres:///p?host=b&port=1&user=u']],
    ['postgres://x:6543/p?host=a,b', ['postgres://x:6543/p?host=a&port=6543', 'postgres://x:6543/p?host=b&port=6543']],
  ])('is one for each: %s', (text, urls) => {
    expect(hostUrlsOf(text)).toEqual(urls)
  })

  it.each(['a,b', 'mysql://a,b/p', 'postgres://a,/p', 'postgres://a:1,b:x/p', 'postgres:///p?host=a,b,c&port=1,2', 'postgres:///p?host=a,'])('is none: %s', (text) => {
    expect(hostUrlsOf(text)).toBeUndefined()
  })

  it('is named for people without user and password', () => {
    expect(databaseNameOf(['postgres://u:hunter2@a:1/p', 'postgres://u:hunter2@b/p'])).toBe('a:1,b/p')
    expect(databaseNameOf(['postgres:///p?host=a&port=1&password=hunter2'])).toBe('a:1/p')
  })

  it('has the next one tried once the one that was tried has failed, however many say so', () => {
    const hosts = createHosts(['a', 'b', 'c'])
    for (const tried of ['a', 'a', 'a']) hosts.failed(tried)
    expect(hosts.url()).toBe('b')
    hosts.failed('b')
    hosts.failed('c')
    expect(hosts.url()).toBe('a')
  })
})
