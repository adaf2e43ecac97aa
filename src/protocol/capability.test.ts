import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  capabilityClass, convertServerCapabilities, declaredInput, declaresExtension, INPUT_CAPABILITIES, inputAsCapabilities,
  inputKnownTo, inputNeededBy, mergeServerCapabilities, mirrorCapabilities, withTasks,
} from './capability.ts'
import type { ClientCapabilities } from './capability.ts'

const EVERYTHING: ClientCapabilities = {
  roots: { listChanged: true },
  sampling: { tools: {}, context: {} },
  elicitation: { form: {}, url: {} },
  tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
  extensions: { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] }, 'io.modelcontextprotocol/tasks': {} },
  experimental: { 'x/y': {} },
  unheardOf: { a: 1 },
}

const classOf = (capabilities: ClientCapabilities, revision: Parameters<typeof declaredInput>[1]): string =>
  capabilityClass(declaredInput(capabilities, revision))

describe('declared input', () => {
  it.each([
    ['2024-11-05', 'roots,sampling'],
    ['2025-03-26', 'roots,sampling'],
    ['2025-06-18', 'roots,sampling,elicitation.form'],
    [
      '2025-11-25',
      'roots,sampling,sampling.tools,sampling.context,elicitation.form,elicitation.url,tasks.sampling,tasks.elicitation',
    ],
    ['2026-07-28', 'roots,sampling,sampling.tools,sampling.context,elicitation.form,elicitation.url'],
  ] as const)('of a client of %s is never more than that revision has', (revision, expected) => {
    expect(classOf(EVERYTHING, revision)).toBe(expected)
  })

  it.each([
    [{}, ''],
    [{ elicitation: {} }, 'elicitation.form'],
    [{ elicitation: { form: {} } }, 'elicitation.form'],
    [{ elicitation: { url: {} } }, 'elicitation.url'],
    [{ elicitation: { form: {}, url: {} } }, 'elicitation.form,elicitation.url'],
    [{ sampling: {} }, 'sampling'],
    [{ tasks: { list: {} } }, ''],
  ] as const)('reads %j as %j', (capabilities, expected) => {
    expect(classOf(capabilities, '2025-11-25')).toBe(expected)
  })

  it('takes url mode of a revision without it for the form mode that it has', () => {
    expect(classOf({ elicitation: { url: {} } }, '2025-06-18')).toBe('elicitation.form')
  })

  it('ignores capabilities that are no objects', () => {
    const odd = { roots: true, sampling: 'yes', elicitation: null, tasks: [] } as unknown as ClientCapabilities
    expect(classOf(odd, '2025-11-25')).toBe('')
  })

  it('comes back from the capabilities that declare it', () => {
    fc.assert(fc.property(fc.subarray([...INPUT_CAPABILITIES]), (list) => {
      const input = new Set(list)
      if (input.has('sampling.tools') || input.has('sampling.context')) input.add('sampling')
      expect(declaredInput(inputAsCapabilities(input), '2025-11-25')).toEqual(input)
    }))
  })
})

describe('the input a request needs', () => {
  it.each([
    ['roots/list', {}, 'roots'],
    ['sampling/createMessage', { maxTokens: 1 }, 'sampling'],
    ['sampling/createMessage', { includeContext: 'none' }, 'sampling'],
    ['sampling/createMessage', { tools: [], includeContext: 'thisServer' }, 'sampling,sampling.tools,sampling.context'],
    ['sampling/createMessage', { toolChoice: {}, task: { ttl: 1 } }, 'sampling,sampling.tools,tasks.sampling'],
    ['elicitation/create', { message: '' }, 'elicitation.form'],
    ['elicitation/create', { mode: 'form', task: {} }, 'elicitation.form,tasks.elicitation'],
    ['elicitation/create', { mode: 'url' }, 'elicitation.url'],
    ['ping', {}, ''],
  ])('%s with %j', (method, params, expected) => {
    expect(capabilityClass(new Set(inputNeededBy(method, params)))).toBe(expected)
  })

  it('is named in requiredCapabilities', () => {
    expect(inputAsCapabilities(new Set(['elicitation.url']))).toEqual({ elicitation: { url: {} } })
    expect(inputAsCapabilities(new Set(['elicitation.form']))).toEqual({ elicitation: {} })
    expect(inputAsCapabilities(new Set(['sampling.tools']))).toEqual({ sampling: { tools: {} } })
    expect(inputAsCapabilities(new Set())).toEqual({})
  })
})

describe('what is declared upstream', () => {
  const open = { experimental: { 'x/y': {} }, unheardOf: { a: 1 } }
  const ui = { 'io.modelcontextprotocol/ui': { mimeTypes: ['text/html'] } }

  it.each([
    ['2024-11-05', { roots: { listChanged: true }, sampling: {} }],
    ['2025-06-18', { roots: { listChanged: true }, sampling: {}, elicitation: {} }],
    ['2025-11-25', { roots: { listChanged: true }, sampling: { tools: {}, context: {} }, elicitation: { form: {}, url: {} } }],
  ] as const)('to %s for a modern client is what that revision has, roots changes being ours to see', (upstream, expected) => {
    const modern: ClientCapabilities = { ...EVERYTHING, roots: {} }
    expect(mirrorCapabilities(modern, { client: '2026-07-28', upstream })).toEqual({ ...expected, ...open, extensions: ui })
  })

  it('for a legacy client to a modern upstream has no legacy tasks and no roots changes', () => {
    expect(mirrorCapabilities(EVERYTHING, { client: '2025-11-25', upstream: '2026-07-28' })).toEqual({
      ...open,
      roots: {},
      sampling: { tools: {}, context: {} },
      elicitation: { form: {}, url: {} },
      extensions: EVERYTHING['extensions'],
    })
  })

  it('within 2025-11-25 is everything, task settings included', () => {
    const { 'io.modelcontextprotocol/tasks': _, ...extensions } = EVERYTHING.extensions ?? {}
    expect(mirrorCapabilities(EVERYTHING, { client: '2025-11-25', upstream: '2025-11-25' })).toEqual(
      { ...EVERYTHING, extensions },
    )
  })

  it('is not more than an old client declared', () => {
    expect(mirrorCapabilities({ roots: {}, sampling: {} }, { client: '2025-03-26', upstream: '2025-11-25' })).toEqual(
      { roots: {}, sampling: {} },
    )
    expect(mirrorCapabilities({ elicitation: { url: {} } }, { client: '2025-11-25', upstream: '2025-06-18' })).toEqual({})
  })

  it('holds no input that either revision lacks, for every pair', () => {
    const revisions = ['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25', '2026-07-28'] as const
    for (const client of revisions) {
      for (const upstream of revisions) {
        const declared = declaredInput(mirrorCapabilities(EVERYTHING, { client, upstream }), upstream)
        expect(declared).toEqual(
          new Set([...inputKnownTo(client)].filter((capability) => inputKnownTo(upstream).has(capability))),
        )
      }
    }
  })
})

describe('merged server capabilities', () => {
  it('have what any server has', () => {
    expect(
      mergeServerCapabilities([
        { tools: {}, resources: { subscribe: false, listChanged: true }, extensions: { 'a/b': { x: 1 } } },
        { tools: { listChanged: true }, logging: {}, resources: { subscribe: true }, extensions: { 'a/b': { x: 2 }, 'c/d': {} } },
        { experimental: { e: {} }, completions: {} },
      ]),
    ).toEqual({
      tools: { listChanged: true },
      resources: { subscribe: true, listChanged: true },
      logging: {},
      completions: {},
      extensions: { 'a/b': { x: 1 }, 'c/d': {} },
      experimental: { e: {} },
    })
  })

  it('are empty for no server', () => {
    expect(mergeServerCapabilities([])).toEqual({})
  })

  it('take a server at its word even where its keys are __proto__ and constructor', () => {
    const merged = mergeServerCapabilities([{}, JSON.parse('{"__proto__":{"tools":{}},"constructor":{"a":1},"prompts":{}}')])
    expect(Object.getPrototypeOf(merged)).toBe(Object.prototype)
    expect(merged.tools).toBeUndefined()
    expect(JSON.stringify(merged)).toBe('{"__proto__":{"tools":{}},"constructor":{"a":1},"prompts":{}}')
  })
})

describe('server capabilities between revisions', () => {
  const legacy = { tools: {}, tasks: { list: {} }, extensions: { 'a/b': {}, 'io.modelcontextprotocol/tasks': {} }, odd: 1 }

  it('lose the form of tasks that the client does not have', () => {
    expect(convertServerCapabilities(legacy, { client: '2026-07-28', upstream: '2025-11-25' })).toEqual(
      { tools: {}, extensions: { 'a/b': {} }, odd: 1 },
    )
    expect(convertServerCapabilities(legacy, { client: '2025-06-18', upstream: '2025-11-25' })).toEqual(
      { tools: {}, extensions: { 'a/b': {} }, odd: 1 },
    )
    expect(convertServerCapabilities(legacy, { client: '2025-11-25', upstream: '2025-11-25' })).toEqual(legacy)
    expect(convertServerCapabilities({ tasks: {}, tools: {} }, { client: '2026-07-28', upstream: '2026-07-28' })).toEqual(
      { tools: {} },
    )
  })

  it('gain completions from 2024-11-05, which has the method without the capability', () => {
    expect(convertServerCapabilities({}, { client: '2025-11-25', upstream: '2024-11-05' })).toEqual({ completions: {} })
    expect(convertServerCapabilities({ completions: {} }, { client: '2024-11-05', upstream: '2025-11-25' })).toEqual({})
    expect(convertServerCapabilities({}, { client: '2025-11-25', upstream: '2025-11-25' })).toEqual({})
  })

  it('advertise tasks in the form of the client', () => {
    expect(withTasks({ tools: {} }, '2025-06-18')).toEqual({ tools: {} })
    expect(withTasks({}, '2025-11-25')).toEqual({ tasks: { list: {}, cancel: {}, requests: { tools: { call: {} } } } })
    const modern = withTasks({ extensions: { 'a/b': {} } }, '2026-07-28')
    expect(modern).toEqual({ extensions: { 'a/b': {}, 'io.modelcontextprotocol/tasks': {} } })
    expect(declaresExtension(modern, 'io.modelcontextprotocol/tasks')).toBe(true)
    expect(declaresExtension({}, 'io.modelcontextprotocol/tasks')).toBe(false)
    expect(declaresExtension({ extensions: {} }, 'toString')).toBe(false)
  })
})
