import { describe, expect, it } from 'vitest'
import { METHODS, methodIn } from '../../protocol/method.ts'
import { LISTS, LIST_OF_METHOD, listsChangedBy } from './list-kind.ts'

describe('the lists', () => {
  it('are the methods of every revision that end in list and belong to a server', () => {
    const methods = Object.keys(METHODS).filter((method) => method.endsWith('/list') && methodIn(method, '2026-07-28')?.kind === 'request')
    expect([...LIST_OF_METHOD.keys()].toSorted()).toEqual(methods.toSorted())
  })

  it('need what the method needs', () => {
    for (const { method, capability } of Object.values(LISTS)) expect(methodIn(method, '2025-11-25')?.serverCapability).toBe(capability)
  })

  it.each([
    ['notifications/tools/list_changed', ['tools']],
    ['notifications/prompts/list_changed', ['prompts']],
    ['notifications/resources/list_changed', ['resources', 'templates', 'skills']],
    ['notifications/resources/updated', []],
    ['constructor', []],
  ])('%s makes %j stale', (method, kinds) => expect(listsChangedBy(method)).toEqual(kinds))

  it('are called as the specification calls them', () => {
    expect(Object.values(LISTS).map(({ method, field, key }) => [method, field, key])).toEqual([
      ['tools/list', 'tools', 'name'],
      ['prompts/list', 'prompts', 'name'],
      ['resources/list', 'resources', 'uri'],
      ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
      ['skills/list', 'skills', 'uri'],
    ])
  })
})
