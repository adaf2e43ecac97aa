/** MCP Apps (SEP-1865, decision 0010): pages reach their server, calls reach no other, and what pages may reach only shrinks. */
import { describe, expect, it } from 'vitest'
import { createSnapshotSource } from '../src/adapters/memory/snapshot-source.ts'
import { DEFAULT_LIMITS } from '../src/core/gateway/snapshot.ts'
import type { AppSettings, HttpServer, VirtualServerSnapshot } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { configOf, http } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { codeOf, messageOf } from './mcp-client.ts'
import { ERAS, clientAt, namesOf, virtual } from './virtual-rig.ts'
import type { Built, Era } from './virtual-rig.ts'

type Json = Record<string, unknown>

const CELLS = ERAS.flatMap((client) => ERAS.map((server) => [client, server] as const))
const PAGE = 'ui://panel/main'
const CSP = { connectDomains: ['https://api.example.com', 'wss://live.example.com'], resourceDomains: ['https://*.cdn.com'] }
const UI = { csp: CSP, permissions: { camera: {}, clipboardWrite: {} }, prefersBorder: true, vendorField: 1 }
const input = { inputSchema: { type: 'object' } }
const OPEN = { name: 'open', ...input, _meta: { ui: { resourceUri: PAGE, vendorField: [1] }, 'ui/resourceUri': PAGE, other: 1 } }
const REFRESH = { name: 'refresh', ...input, _meta: { ui: { resourceUri: PAGE, visibility: ['app'] } } }
const SECRET = { name: 'secret', ...input, _meta: { ui: { visibility: ['model'] } } }
const PLAIN = { name: 'plain', ...input }
const APP_TOOLS = [OPEN, REFRESH, SECRET, PLAIN]

/** A server of these tools, whose page is not listed. Calls of `open` name the page in their result. */
async function startApp(era: Era, tools: readonly object[] = APP_TOOLS): Promise<Actor> {
  const open = { open: (call: { answer(result: object): void }) => call.answer({ _meta: { ui: { resourceUri: PAGE } } }) }
  const lists = {
    'tools/list': { tools },
    'resources/list': { resources: [{ uri: 'ui://listed/page', name: 'page', _meta: { ui: UI, 'openai/widgetCSP': { connect_domains: ['https://api.example.com', 'https://else.example'] } } }] },
    'resources/read': { contents: [{ uri: PAGE, mimeType: 'text/html;profile=mcp-app', text: '<!DOCTYPE html>', _meta: { ui: UI } }] },
  }
  return closeAfter(await startActor([era], open, { lists }))
}

async function buildApps(servers: Record<string, HttpServer>, { apps, virtualServers = [] }: { readonly apps?: AppSettings; readonly virtualServers?: readonly VirtualServerSnapshot[] } = {}): Promise<Built> {
  const snapshot = { digest: 'apps', servers: Object.entries(servers).map(([name, target]) => configOf(target, { id: name, name })), virtualServers, separator: '__', pageSize: 100, limits: DEFAULT_LIMITS, apps }
  return { rig: await startRig({ deps: { snapshots: createSnapshotSource(snapshot) } }) } as Built
}

const calledAt = (actor: Actor): unknown[] => actor.requests.filter(({ json }) => json.method === 'tools/call').map(({ json: { params = {} } }) => params['name'])
const readAt = (actor: Actor): unknown[] => actor.requests.filter(({ json }) => json.method === 'resources/read').map(({ json: { params = {} } }) => params['uri'])
const visibilityOf = (tools: unknown): Json => Object.fromEntries((tools as { name: string; _meta?: { ui?: { visibility?: string[] } } }[]).map(({ name, _meta }) => [name, _meta?.ui?.visibility ?? 'not said']))

describe.each(CELLS)('apps, to a %s client, of a %s server', (era, serverEra) => {
  it('are at its own endpoint as it wrote them', async () => {
    const app = await startApp(serverEra)
    const client = await clientAt(await buildApps({ one: http(app.url), two: http(app.url) }), era, '/one/mcp')
    expect((await client.result('tools/list'))['tools']).toEqual(APP_TOOLS)
    expect((await client.result('resources/read', { uri: PAGE }))['contents']).toMatchObject([{ uri: PAGE, _meta: { ui: UI } }])
    await client.result('tools/call', { name: 'refresh' })
    expect(calledAt(app)).toEqual(['refresh'])
  })

  it('have pages that several servers as one find by their mark, listed or not, wherever they are named', async () => {
    const [one, two] = [await startApp(serverEra), await startApp(serverEra)]
    const client = await clientAt(await buildApps({ one: http(one.url), two: http(two.url) }), era, '/mcp')
    const { tools } = await client.result('tools/list')
    expect((tools as Json[]).find(({ name }) => name === 'two__open')?.['_meta']).toEqual({ ui: { resourceUri: 'ui://two/panel/main', vendorField: [1], visibility: ['model'] }, 'ui/resourceUri': 'ui://two/panel/main', other: 1 })
    expect((await client.result('tools/call', { name: 'two__open' }))['_meta']).toEqual({ ui: { resourceUri: 'ui://two/panel/main' } })
    expect((await client.result('resources/read', { uri: 'ui://two/panel/main' }))['contents']).toMatchObject([{ uri: 'ui://two/panel/main', text: '<!DOCTYPE html>', _meta: { ui: UI } }])
    expect([readAt(one), readAt(two)]).toEqual([[], [PAGE]])
  })

  it('call their own server\'s tools by the names that it gave them, where no other has apps', async () => {
    const [app, plain] = [await startApp(serverEra), await startApp(serverEra, [PLAIN, { name: 'refresh', ...input }, { name: 'delete', ...input }])]
    const client = await clientAt(await buildApps({ plain: http(plain.url), app: http(app.url) }), era, '/mcp')
    expect(visibilityOf((await client.result('tools/list'))['tools'])).toEqual({
      plain__plain: ['model'], plain__refresh: ['model'], plain__delete: ['model'],
      app__open: 'not said', app__refresh: ['app'], app__secret: ['model'], app__plain: 'not said',
    })
    await client.result('tools/call', { name: 'refresh' })
    await client.result('tools/call', { name: 'plain' })
    expect([calledAt(app), calledAt(plain)]).toEqual([['refresh', 'plain'], []])
    for (const name of ['delete', 'secret', 'none']) expect(codeOf(await client.ask('tools/call', { name })), name).toBe(-32602)
  })

  it('call nothing where several servers have some: nothing says whose app a call is of', async () => {
    const [one, two] = [await startApp(serverEra), await startApp(serverEra, [{ ...OPEN, name: 'show' }, { ...REFRESH, name: 'wipe' }])]
    const built = await buildApps({ one: http(one.url), two: http(two.url) }, { virtualServers: [virtual('both', { use: [{ server: 'one' }, { server: 'two' }] })] })
    const merged = await clientAt(built, era, '/mcp')
    expect(visibilityOf((await merged.result('tools/list'))['tools'])).toEqual({ one__open: ['model'], one__secret: ['model'], one__plain: ['model'], two__show: ['model'] })
    for (const name of ['refresh', 'wipe', 'two__wipe']) expect(codeOf(await merged.ask('tools/call', { name })), name).toBe(-32602)
    const both = await clientAt(built, era, '/both/mcp')
    expect(visibilityOf((await both.result('tools/list'))['tools'])).toEqual({ open: ['model'], secret: ['model'], plain: ['model'], show: ['model'] })
    expect(codeOf(await both.ask('tools/call', { name: 'wipe' }))).toBe(-32602)
    expect([...calledAt(one), ...calledAt(two)]).toEqual([])
  })

  it('call what is for apps, if one server only has it, where the configuration says that they may', async () => {
    const [one, two] = [await startApp(serverEra), await startApp(serverEra, [{ ...OPEN, name: 'show' }, REFRESH, { ...REFRESH, name: 'wipe' }])]
    const apps: AppSettings = { calls: 'endpoint', bounds: undefined, serverBounds: {} }
    const client = await clientAt(await buildApps({ one: http(one.url), two: http(two.url) }, { apps }), era, '/mcp')
    expect(visibilityOf((await client.result('tools/list'))['tools'])).toMatchObject({ one__open: 'not said', one__refresh: ['app'], one__secret: ['model'], two__wipe: ['app'] })
    await client.result('tools/call', { name: 'wipe' })
    for (const name of ['refresh', 'secret']) expect(codeOf(await client.ask('tools/call', { name })), name).toBe(-32602)
    expect([calledAt(one), calledAt(two)]).toEqual([[], ['wipe']])
  })

  it('have their page at a virtual server that shows a tool of it, under whatever name, and call what is picked by its own', async () => {
    const app = await startApp(serverEra)
    const job = virtual('job', { use: [{ server: 'one', tools: ['open', 'refresh'], resources: [], templates: [] }], tools: { refresh: { name: 'again', arguments: { fast: true } } } })
    const none = virtual('none', { use: [{ server: 'one', tools: ['plain'], resources: [], templates: [] }] })
    const barred = virtual('barred', { use: [{ server: 'one', tools: ['open'], resources: ['!ui://*'] }] })
    const built = await buildApps({ one: http(app.url) }, { virtualServers: [job, none, barred] })
    const client = await clientAt(built, era, '/job/mcp')
    expect(namesOf((await client.result('tools/list'))['tools'])).toEqual(['open', 'again'])
    expect((await client.result('resources/read', { uri: PAGE }))['contents']).toMatchObject([{ uri: PAGE }])
    expect((await client.result('tools/call', { name: 'refresh' }))['echo']).toEqual({ fast: true })
    expect(codeOf(await client.ask('tools/call', { name: 'plain' }))).toBe(-32602)
    for (const path of ['/none/mcp', '/barred/mcp']) {
      expect(codeOf(await (await clientAt(built, era, path)).ask('resources/read', { uri: PAGE })), path).toBe(era === 'legacy' ? -32002 : -32602)
    }
    expect(readAt(app)).toEqual([PAGE])
  })

  it.each(['/one/mcp', '/mcp'])('may reach at most what the configuration allows, at %s', async (path) => {
    const app = await startApp(serverEra)
    const apps: AppSettings = { calls: 'server', bounds: { connectDomains: ['https://*.example.com', 'wss://*.example.com'], permissions: ['camera'] }, serverBounds: { one: { connectDomains: ['https://api.example.com'], resourceDomains: ['https://a.cdn.com'] } } }
    const client = await clientAt(await buildApps({ one: http(app.url), two: http(app.url) }, { apps }), era, path)
    const ui = { csp: { connectDomains: ['https://api.example.com'], resourceDomains: ['https://a.cdn.com'] }, permissions: { camera: {} }, prefersBorder: true, vendorField: 1 }
    const uri = path === '/mcp' ? 'ui://one/panel/main' : PAGE
    expect((await client.result('resources/read', { uri }))['contents']).toEqual([{ uri, mimeType: 'text/html;profile=mcp-app', text: '<!DOCTYPE html>', _meta: { ui } }])
    expect(((await client.result('resources/list'))['resources'] as Json[])[0]?.['_meta']).toEqual({ ui, 'openai/widgetCSP': { connect_domains: ['https://api.example.com'] } })
  })
})

describe('bounds of apps', () => {
  it.each([
    ['no object', '{"ui":{"csp":7,"permissions":[1],"kept":1}}', { ui: { kept: 1 } }],
    ['no list', '{"ui":{"csp":{"connectDomains":"https://api.example.com"}}}', { ui: { csp: { connectDomains: [] } } }],
    ['more than an origin', '{"ui":{"csp":{"connectDomains":["https://api.example.com; script-src *"]}}}', { ui: { csp: { connectDomains: [] } } }],
  ])('take out what is %s', async (_what, meta, expected) => {
    const lists = { 'resources/read': { contents: [{ uri: PAGE, text: '', _meta: JSON.parse(meta) as object }] } }
    const actor = closeAfter(await startActor(['modern'], {}, { lists }))
    const apps: AppSettings = { calls: 'server', bounds: { connectDomains: ['https://api.example.com'], permissions: [] }, serverBounds: {} }
    const answer = await (await clientAt(await buildApps({ one: http(actor.url) }, { apps }), 'modern', '/one/mcp')).ask('resources/read', { uri: PAGE })
    expect(((messageOf(answer)['result'] as Json)['contents'] as Json[])[0]?.['_meta']).toEqual(expected)
  })
})
