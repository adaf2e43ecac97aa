import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { extensionOf, hasCapability, isMethod, mcpNameMember, methodIn, METHODS, routedBy } from './method.ts'
import type { MethodRow, MethodTraits } from './method.ts'
import { REVISIONS } from './revision.ts'
import type { Revision } from './revision.ts'

const revisions = Object.keys(REVISIONS) as Revision[]
const names = Object.keys(METHODS)

/** The method names that a revision's schema defines. */
function namesInSchema(revision: Revision): string[] {
  const text = readFileSync(new URL(`fixtures/schema/${revision}.json`, import.meta.url), 'utf8')
  return [...new Set([...text.matchAll(/"const": "([^"]+)"/g)].map((match) => match[1] ?? ''))]
    .filter((name) => name === 'ping' || name === 'initialize' || (name.includes('/') && !name.startsWith('ref/')))
    .filter((name) => !name.startsWith('application/'))
    .toSorted()
}

const traits = (method: string, revision: Revision): MethodTraits =>
  methodIn(method, revision) ?? expect.fail(`${method} not in ${revision}`)

describe('the method table', () => {
  it.each(revisions)('has exactly the methods of the schema of %s, and those of the tasks extension', (revision) => {
    const core = names.filter((name) => {
      const found = methodIn(name, revision)
      return found !== undefined && found.extension === undefined
    })
    expect(core.toSorted()).toEqual(namesInSchema(revision))
  })

  it('adds the methods of extensions: tasks to the modern era, skills to both', () => {
    const of = (id: string): string[] => names.filter((name) => extensionOf(name) === id)
    expect(of('io.modelcontextprotocol/tasks')).toEqual(['tasks/get', 'tasks/cancel', 'tasks/update', 'notifications/tasks'])
    expect(of('io.modelcontextprotocol/skills')).toEqual(['skills/list', 'skills/get', 'resources/directory/read'])
    expect(names.filter((name) => methodIn(name, '2025-11-25')?.extension !== undefined)).toEqual(of('io.modelcontextprotocol/skills'))
    expect(extensionOf('tools/call')).toBeUndefined()
  })

  it.each([
    'initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/result', 'tasks/list',
  ])(
    '%s is unknown to modern clients',
    (method) => expect(methodIn(method, '2026-07-28')).toBeUndefined(),
  )

  it('lets only three requests end in input_required', () => {
    expect(names.filter((name) => methodIn(name, '2026-07-28')?.mayNeedInput)).toEqual(
      ['tools/call', 'prompts/get', 'resources/read'],
    )
    expect(names.some((name) => methodIn(name, '2025-11-25')?.mayNeedInput)).toBe(false)
  })

  it('has nine cacheable results, three of them of skills', () => {
    expect(names.filter((name) => methodIn(name, '2026-07-28')?.cacheable)).toEqual([
      'server/discover', 'tools/list', 'prompts/list', 'resources/list', 'resources/templates/list', 'resources/read', 'skills/list', 'skills/get', 'resources/directory/read',
    ])
    expect(names.some((name) => methodIn(name, '2025-11-25')?.cacheable)).toBe(false)
  })

  it('turns the requests of servers into input in the modern era', () => {
    for (const method of ['roots/list', 'sampling/createMessage', 'elicitation/create']) {
      expect(traits(method, '2026-07-28').kind).toBe('input')
      expect(traits(method, '2025-11-25').kind).toBe('request')
    }
    expect(methodIn('elicitation/create', '2025-03-26')).toBeUndefined()
  })

  it('knows no method by the name of an inherited property', () => {
    expect([isMethod('constructor'), isMethod('__proto__'), isMethod('tools/call')]).toEqual([false, false, true])
    expect(methodIn('toString', '2025-11-25')).toBeUndefined()
  })
})

describe('what a request is about', () => {
  it('is the same in both eras', () => {
    for (const [name, row] of Object.entries<MethodRow>(METHODS)) {
      expect([row.legacy?.routedBy ?? routedBy(name), row.modern?.routedBy ?? routedBy(name)]).toEqual([routedBy(name), routedBy(name)])
    }
  })

  it.each([
    ['tools/call', 'name'], ['prompts/get', 'name'], ['resources/read', 'uri'], ['resources/subscribe', 'uri'],
    ['resources/unsubscribe', 'uri'], ['completion/complete', 'ref'], ['tasks/get', 'taskId'], ['tasks/result', 'taskId'],
    ['tasks/update', 'taskId'], ['tasks/cancel', 'taskId'], ['tasks/list', 'none'], ['tools/list', 'none'], ['x/y', 'none'],
    ['toString', 'none'],
  ])('%s is named by %s', (method, by) => expect(routedBy(method)).toBe(by))
})

describe('what Mcp-Name mirrors', () => {
  it('is the subject of six modern requests', () => {
    expect(Object.fromEntries(names.flatMap((name) => {
      const member = mcpNameMember(name)
      return member === undefined ? [] : [[name, member]]
    }))).toEqual({
      'tools/call': 'name',
      'prompts/get': 'name',
      'resources/read': 'uri',
      'tasks/get': 'taskId',
      'tasks/cancel': 'taskId',
      'tasks/update': 'taskId',
    })
    expect([mcpNameMember('constructor'), mcpNameMember('x/unknown')]).toEqual([undefined, undefined])
  })
})

describe('capability paths', () => {
  it.each([
    ['tools', true], ['tools.listChanged', true], ['resources.subscribe', false], ['prompts', false], ['logging', true],
    ['toString', false],
  ])('%s: %s', (path, expected) => {
    expect(hasCapability({ tools: { listChanged: true }, resources: { subscribe: false }, logging: {} }, path)).toBe(expected)
  })
})
