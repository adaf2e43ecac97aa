import { describe, expect, it } from 'vitest'
import { matchesGlob, picks } from './selection.ts'

describe('a glob', () => {
  it.each([
    ['read', 'read', true],
    ['read', 'reads', false],
    ['read', 'Read', false],
    ['read_*', 'read_file', true],
    ['read_*', 'read_', true],
    ['read_*', 'xread_', false],
    ['*_file', 'read_file', true],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b', 'aabb', true],
    ['*a*b*', 'ba', false],
    ['r?ad', 'road', true],
    ['r?ad', 'rad', false],
    ['?', '', false],
    ['*', '', true],
    ['', '', true],
    ['', 'a', false],
    ['file:///{path}', 'file:///{path}', true],
    ['a.c', 'abc', false],
    ['[a]', 'a', false],
  ])('%s of %s: %s', (pattern, text, expected) => {
    expect(matchesGlob(pattern, text)).toBe(expected)
  })

  it('is never slow, whatever a server calls its tools', () => {
    const start = process.threadCpuUsage()
    expect(matchesGlob(`${'*a'.repeat(20)}b`, 'a'.repeat(20_000))).toBe(false)
    expect(process.threadCpuUsage(start).user / 1_000).toBeLessThan(500)
  })
})

describe('a list of globs', () => {
  it.each([
    [undefined, ['read', 'write']],
    [[], []],
    [['read'], ['read']],
    [['nothing'], []],
    [['!read'], ['write']],
    [['*', '!write'], ['read']],
    [['!write', '*'], ['read']],
    [['read', '!read'], []],
  ])('%j picks %j', (patterns, expected) => {
    expect(['read', 'write'].filter((name) => picks(patterns, name))).toEqual(expected)
  })
})
