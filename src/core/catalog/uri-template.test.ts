import { describe, expect, it } from 'vitest'
import { fitsTemplate, isUnderstood } from './uri-template.ts'

describe('a URI fits a template', () => {
  it.each([
    ['file:///{name}', 'file:///a.txt'],
    ['file:///{name}', 'file:///'],
    ['file:///{name}', 'file:///a%20b'],
    ['file:///{name}', 'file:///%C3%A9%2Fx'],
    ['file:///{dir}/{name}', 'file:///a/b'],
    ['file:///{+path}', 'file:///a/b/c?d=e'],
    ['db://{table}/rows/{id}', 'db://users/rows/7'],
    ['search://x{?q,limit}', 'search://x?q=a&limit=3'],
    ['search://x?fixed=1{&q}', 'search://x?fixed=1&q=b'],
    ['x://{+a}-{b}', 'x://a-b/c-d'],
    ['plain://x', 'plain://x'],
  ])('%s: %s', (template, uri) => {
    expect(fitsTemplate(template, uri)).toBe(true)
  })

  it.each([
    ['file:///{name}', 'file:///a/b'],
    ['file:///{name}', 'file:///a?b'],
    ['file:///{name}', 'file:///a%2'],
    ['file:///{name}', 'file:///é'],
    ['file:///{name}', 'file:///%61'],
    ['file:///{name}', 'file:///%c3%a9'],
    ['file:///{+name}', 'file:///%7E'],
    ['file:///{name}', 'File:///a'],
    ['file:///{name}.txt', 'file:///a.md'],
    ['file:///{name}', 'http:///a'],
    ['search://x{?q,limit}', 'search://x?limit=3&q=a'],
    ['plain://x', 'plain://xy'],
  ])('not %s: %s', (template, uri) => {
    expect(fitsTemplate(template, uri)).toBe(false)
  })

  it.each(['..', '.', '%2e%2e', '.%2E', 'a/../b', 'a/..', './a', 'a%2f..%2fb', 'a%5C..', '..?x', 'a/%2e%2e#b'])('never with a dot segment: %s', (path) => {
    expect(fitsTemplate('file:///docs/{+path}', `file:///docs/${path}`)).toBe(false)
    expect(fitsTemplate('x:{+path}', `x:docs/${path}`)).toBe(false)
  })

  it.each(['{/a}', '{.a}', '{;a}', '{#a}', '{a*}', '{a:3}', '{a,b}', '{a}{b}', '{a', 'a}', '{}', '{?a}{b}x'])('not of a kind that is not understood: x://%s', (rest) => {
    const template = `x://${rest}`
    expect(isUnderstood('{+everything}')).toBe(false)
    expect(isUnderstood(template)).toBe(false)
    expect(fitsTemplate(template, 'x://a')).toBe(false)
  })

  it('at a cost that no server can make large', () => {
    const start = process.threadCpuUsage()
    const template = `x://${'{+a}a'.repeat(100)}`
    expect(fitsTemplate(template, `x://${'a'.repeat(4_000)}!`)).toBe(false)
    expect(process.threadCpuUsage(start).user / 1_000).toBeLessThan(1_000)
  })
})
