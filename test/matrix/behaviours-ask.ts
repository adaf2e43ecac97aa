/** Lists, calls, resources, prompts and completion. */
import { expect } from 'vitest'
import { BIG, FIXTURE_CONTENT, FIXTURE_TOOLS } from './fixture-script.ts'
import type { At, Group } from './cell.ts'
import { isAcross, textOf } from './cell.ts'
import type { Json } from './client.ts'

const RED_PIXEL = /^iVBOR/

/** All items of a list, in order, over all pages. */
async function everything(at: At, method: string, key: string): Promise<{ readonly items: Json[]; readonly pages: number }> {
  const items: Json[] = []
  let pages = 0
  for (let cursor: unknown, first = true; first || cursor !== undefined; first = false) {
    const { result } = await at.driver.request(method, cursor === undefined ? {} : { cursor })
    if (result === undefined) throw new Error(`${method} was refused`)
    items.push(...(result[key] as Json[]))
    cursor = result['nextCursor']
    pages += 1
  }
  return { items, pages }
}

const namesAt = (at: At, items: readonly Json[]): string[] => items.flatMap((item) => at.plainName(String(item['name'])) ?? [])
const urisAt = (at: At, items: readonly Json[], key = 'uri'): string[] => items.flatMap((item) => at.plainUri(String(item[key])) ?? [])
const NUMBERED = Array.from({ length: 30 }, (_, index) => `test://numbered/${index + 1}`)

export const LISTS: Group = {
  title: 'Lists',
  behaviours: [
    {
      id: 'tools', title: '`tools/list` in the server\'s order, with members that no revision has', spec: '2025-11-25/server/tools#listing-tools', server: 'fixture',
      async run(at) {
        const { items } = await everything(at, 'tools/list', 'tools')
        expect(namesAt(at, items)).toEqual(FIXTURE_TOOLS.map(({ name }) => name))
        const zeta = items.find(({ name }) => name === at.name('zeta'))
        if (at.cell.client.kind === 'raw') expect(zeta).toMatchObject(FIXTURE_TOOLS[0] ?? {})
      },
    },
    {
      id: 'resources', title: '`resources/list` of two pages: everything once, in order', spec: '2025-11-25/server/utilities/pagination', server: 'reference',
      async run(at) {
        const { items } = await everything(at, 'resources/list', 'resources')
        expect(urisAt(at, items)).toEqual(['test://static-text', 'test://static-binary', 'test://watched-resource', 'test://cancelled-calls', 'test://input-required', ...NUMBERED])
      },
    },
    {
      id: 'cursor', title: 'a cursor that nobody gave out is refused', spec: '2025-11-25/server/utilities/pagination#error-handling', server: 'reference',
      run: async ({ driver }) => expect(await driver.request('resources/list', { cursor: 'nobody-gave-this' })).toMatchObject({ code: -32602 }),
    },
    {
      id: 'templates', title: '`resources/templates/list`', spec: '2025-11-25/server/resources#resource-templates', server: 'reference',
      async run(at) {
        const { items } = await everything(at, 'resources/templates/list', 'resourceTemplates')
        expect(urisAt(at, items, 'uriTemplate')).toEqual(['test://template/{id}/data', 'test://numbered/{number}', 'skill://guides/{+path}'])
      },
    },
    {
      id: 'prompts', title: '`prompts/list`', spec: '2025-11-25/server/prompts#listing-prompts', server: 'reference',
      async run(at) {
        const { items } = await everything(at, 'prompts/list', 'prompts')
        const names = ['test_simple_prompt', 'test_prompt_with_arguments', 'test_prompt_with_embedded_resource', 'test_prompt_with_image', 'test_input_required_result_prompt']
        expect(namesAt(at, items)).toEqual(names)
      },
    },
  ],
}

/** Audio and links, as text that names them where the revision has no such content (bridge-rulings §5). */
function contentIn({ cell, uri }: At): unknown[] {
  const { revision } = cell.client
  const isLacking = (type: string): boolean => (type === 'audio' && revision < '2025-03-26') || (type === 'resource_link' && revision < '2025-06-18')
  return FIXTURE_CONTENT.map((content) => (isLacking(content.type) ? { type: 'text', text: expect.stringMatching(content.type === 'audio' ? /audio\/wav/ : /fixture:\/\/linked/) } : marked(content, uri)))
}

/** At all servers as one, URIs say which server they are of. */
function marked(content: (typeof FIXTURE_CONTENT)[number], uri: At['uri']): unknown {
  if (content.resource !== undefined) return { ...content, resource: { ...content.resource, uri: uri(content.resource.uri) } }
  return content.uri === undefined ? content : { ...content, uri: uri(content.uri) }
}

export const CALLS: Group = {
  title: 'Calls',
  behaviours: [
    {
      id: 'text', title: 'a text', spec: '2025-11-25/server/tools#calling-tools', server: 'reference',
      run: async (at) => expect(textOf(await at.call('test_simple_text'))).toBe('This is a simple text response for testing.'),
    },
    {
      id: 'content', title: 'every kind of content; what a revision lacks becomes a text that names it', spec: '2025-11-25/server/tools#tool-result', server: 'fixture',
      run: async (at) => expect((await at.call('content')).result?.['content']).toMatchObject(contentIn(at)),
    },
    {
      id: 'structured', title: 'structured content', spec: '2025-11-25/server/tools#structured-content', server: 'reference',
      async run(at) {
        const { result } = await at.call('test_structured_output', { city: 'Oslo' })
        expect(result?.['structuredContent']).toEqual({ city: 'Oslo', temperature: 21.5, conditions: 'sunny' })
      },
    },
    {
      id: 'structured-list', title: 'structured content that is not an object', spec: '2026-07-28/server/tools#structured-content', server: 'fixture',
      otherwise: ({ client, upstream, isTurning }) => (client.era === 'modern' ? (isTurning ? { note: 'objects' } : undefined) : upstream.era === 'legacy' ? { note: 'not-sent' } : {
        note: 'objects',
        async run(at) {
          const reply = await at.call('list')
          expect(reply.result).not.toHaveProperty('structuredContent')
          expect(textOf(reply)).toBe('["north"]')
        },
      }),
      run: async (at) => expect((await at.call('list')).result?.['structuredContent']).toEqual(['north']),
    },
    {
      id: 'headers', title: 'parameters that are mirrored into HTTP headers', spec: '2026-07-28/basic/transports/streamable-http', server: 'reference',
      async run(at) {
        await at.driver.request('tools/list')
        expect(textOf(await at.call('test_x_mcp_header', { region: 'north', depth: 3 }))).toBe('region=north depth=3')
      },
    },
    {
      id: 'is-error', title: 'a tool that fails (`isError`)', spec: '2025-11-25/server/tools#error-handling', server: 'reference',
      run: async (at) => expect(await at.call('test_error_handling')).toMatchObject({ result: { isError: true } }),
    },
    {
      id: 'error', title: 'a JSON-RPC error of the server\'s own, its code and data', spec: '2025-11-25/basic#responses', server: 'fixture',
      run: async (at) => expect(await at.call('fail')).toMatchObject({ code: 4242, message: expect.stringContaining('It failed on purpose'), data: { detail: [1, 2] } }),
    },
    {
      id: 'unknown-tool', title: 'an unknown tool: −32602', spec: '2025-11-25/server/tools#error-handling', server: 'reference',
      run: async (at) => expect(await at.call('no_such_tool')).toMatchObject({ code: -32602 }),
    },
    {
      id: 'fields', title: 'unknown members of parameters, `_meta` and results', spec: '2025-11-25/basic#general-fields', server: 'fixture',
      async run(at) {
        const params = { name: at.name('echo'), arguments: { a: 1 }, vendorParam: { x: [1, null] }, _meta: { 'dev.example/note': 'kept' } }
        const { result } = await at.driver.request('tools/call', params)
        const seen = JSON.parse(textOf({ result: result ?? {} })) as { readonly params: Json }
        expect(seen.params).toMatchObject({ arguments: { a: 1 }, vendorParam: { x: [1, null] }, _meta: { 'dev.example/note': 'kept' } })
        expect(result?.['vendorField']).toEqual({ kept: [1.5, null] })
      },
    },
    {
      id: 'big', title: 'integers beyond 2^53, digit for digit, both ways', spec: '2025-11-25/basic#messages', server: 'fixture',
      otherwise: ({ client }) => (client.kind === 'raw' ? undefined : { note: 'parser' }),
      async run(at) {
        const reply = await at.call('echo', { big: 'BIG' }, { replace: ['"BIG"', BIG] })
        expect(reply.text).toContain(`"vendorBig":${BIG}`)
        expect(textOf(reply)).toContain(`"big":${BIG}`)
      },
    },
    {
      id: 'unknown-method', title: 'a method that nobody knows, passed on', spec: '2025-11-25/basic#requests', server: 'fixture',
      otherwise: ({ isMerged }) => (isMerged ? {
        note: 'no-route',
        run: async ({ driver }) => expect(await driver.request('vendor/echo', { vendorParam: 'kept' })).toMatchObject({ code: -32601 }),
      } : undefined),
      run: async ({ driver }) => expect((await driver.request('vendor/echo', { vendorParam: 'kept' })).result?.['vendorText']).toContain('"vendorParam":"kept"'),
    },
  ],
}

const firstContent = async ({ driver, uri }: At, plain: string): Promise<Json | undefined> =>
  ((await driver.request('resources/read', { uri: uri(plain) })).result?.['contents'] as Json[] | undefined)?.[0]
const promptText = async ({ driver, name }: At, plain: string, args?: Json): Promise<string> =>
  JSON.stringify((await driver.request('prompts/get', { name: name(plain), ...(args === undefined ? {} : { arguments: args }) })).result?.['messages'])

export const READS: Group = {
  title: 'Resources, prompts, completion',
  behaviours: [
    {
      id: 'read', title: '`resources/read`: text and bytes', spec: '2025-11-25/server/resources#reading-resources', server: 'reference',
      async run(at) {
        expect(await firstContent(at, 'test://static-text')).toMatchObject({ mimeType: 'text/plain', text: 'This is the content of the static text resource.' })
        expect(await firstContent(at, 'test://static-binary')).toMatchObject({ mimeType: 'image/png', blob: expect.stringMatching(RED_PIXEL) })
      },
    },
    {
      id: 'template', title: 'a resource of a template', spec: '2025-11-25/server/resources#resource-templates', server: 'reference',
      run: async (at) => expect(await firstContent(at, 'test://template/one/data')).toMatchObject({ text: expect.stringContaining('Data for ID: one') }),
    },
    {
      id: 'not-found', title: 'a resource that is not there: −32602, or −32002 to a legacy client', spec: '2026-07-28/server/resources#error-handling', server: 'reference',
      async run(at) {
        const { code } = await at.driver.request('resources/read', { uri: at.uri('test://not-there') })
        const { client } = at.cell
        // A legacy server's own code reaches a legacy client as it is; this server says −32602.
        expect(code).toBe(client.era === 'legacy' && isAcross(at.cell) ? -32002 : -32602)
      },
    },
    {
      id: 'get-prompt', title: '`prompts/get`: arguments, an embedded resource, an image', spec: '2025-11-25/server/prompts#getting-a-prompt', server: 'reference',
      async run(at) {
        expect(await promptText(at, 'test_simple_prompt')).toContain('This is a simple prompt for testing.')
        expect(await promptText(at, 'test_prompt_with_arguments', { arg1: 'one', arg2: 'two' })).toContain("arg1='one', arg2='two'")
        expect(await promptText(at, 'test_prompt_with_embedded_resource', { resourceUri: 'test://x' })).toContain('Embedded resource content')
        expect(await promptText(at, 'test_prompt_with_image')).toContain('"mimeType":"image/png"')
      },
    },
    {
      id: 'unknown-prompt', title: 'an unknown prompt: −32602', spec: '2025-11-25/server/prompts#error-handling', server: 'reference',
      run: async ({ driver, name }) => expect(await driver.request('prompts/get', { name: name('no_such_prompt') })).toMatchObject({ code: -32602 }),
    },
    {
      id: 'complete', title: '`completion/complete` of a prompt and of a template', spec: '2025-11-25/server/utilities/completion', server: 'reference',
      async run({ driver, name, uri }) {
        const complete = async (ref: Json, argument: Json): Promise<unknown> =>
          ((await driver.request('completion/complete', { ref, argument })).result?.['completion'] as Json | undefined)?.['values']
        expect(await complete({ type: 'ref/prompt', name: name('test_prompt_with_arguments') }, { name: 'arg1', value: 'testB' })).toEqual(['testBeta'])
        expect(await complete({ type: 'ref/resource', uri: uri('test://template/{id}/data') }, { name: 'id', value: 'al' })).toEqual(['alpha'])
      },
    },
  ],
}
