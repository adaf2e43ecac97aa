/** Skills (SEP-2640) between the eras: listed, got and read of one server and of several as one, digests as they were. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sendJson } from './fixtures/upstream/support.ts'
import { closeAfter } from './gateway-rig.ts'
import { codeOf, messageOf } from './mcp-client.ts'
import { ERAS, build, clientAt, namesOf, virtual } from './virtual-rig.ts'
import type { Built, Era } from './virtual-rig.ts'

const ID = 'io.modelcontextprotocol/skills'
const CELLS = ERAS.flatMap((client) => ERAS.map((server) => [client, server] as const))
const file = (uri: string, digit: string): object => ({ uri, digest: `sha256:${digit.repeat(64)}`, size: 7 })
const REFUNDS = {
  uri: 'skill://acme/billing/refunds/SKILL.md',
  frontmatter: { name: 'refunds', description: 'Refunds: all of them', metadata: { level: 1 } },
  resources: [file('skill://acme/billing/refunds/SKILL.md', 'a'), file('skill://acme/billing/refunds/examples/email.md', 'b')],
  vendorField: [1],
}
const DYNAMIC = { uri: 'github://owner/repo/skills/daily/SKILL.md', frontmatter: { name: 'daily', description: 'd' }, resources: 'dynamic' }

interface Served {
  /** null: it declares no skills. */
  readonly settings?: object | null
  readonly skills?: readonly object[]
}

/** A server that serves skills; what it is asked is what the test looks at. */
async function startSkills(era: Era, { settings = { directoryRead: true }, skills = [REFUNDS, DYNAMIC] }: Served = {}): Promise<Actor> {
  const extra = era === 'modern' ? { resultType: 'complete' } : {}
  const answer = (result: object): Act => ({ id, response }) => sendJson(response, { jsonrpc: '2.0', id, result: { ...extra, ...result } })
  const acts: Record<string, Act> = {
    'skills/get': answer({ skill: REFUNDS, ttlMs: 300, cacheScope: 'public', vendorField: 2 }),
    'resources/directory/read': answer({ resources: [{ uri: 'skill://acme/billing/refunds/examples', name: 'examples', mimeType: 'inode/directory' }], nextCursor: 'page-2' }),
  }
  const lists = { 'resources/list': { resources: [{ uri: REFUNDS.uri, name: 'refunds' }] }, 'skills/list': { skills }, 'resources/read': { contents: [{ uri: 'skill://acme/billing/refunds/SKILL.md', text: '---\nname: refunds' }] } }
  return closeAfter(await startActor([era], acts, { lists, capabilities: settings === null ? {} : { extensions: { [ID]: settings } } }))
}

const askedOf = (actor: Actor, method: string): unknown[] => actor.requests.filter(({ json }) => json.method === method).map(({ json: { params = {} } }) => params['cursor'] ?? params['uri'])

describe.each(CELLS)('skills, to a %s client, of a %s server', (era, serverEra) => {
  it('are listed at its own endpoint as it wrote them', async () => {
    const client = await clientAt(await build({ one: http((await startSkills(serverEra)).url) }, []), era, '/one/mcp')
    const { skills, ttlMs, cacheScope } = await client.result('skills/list')
    expect(skills).toEqual([REFUNDS, DYNAMIC])
    expect([ttlMs, cacheScope]).toEqual([serverEra === 'modern' ? 60_000 : 0, 'private'])
  })

  it('of several servers get a segment before their path: names, relative references and digests stay', async () => {
    const [one, two] = [await startSkills(serverEra), await startSkills(serverEra, { skills: [REFUNDS] })]
    const plain = await startSkills(serverEra, { settings: null })
    const client = await clientAt(await build({ one: http(one.url), plain: http(plain.url), two: http(two.url) }, []), era, '/mcp')
    const { skills, ttlMs } = await client.result('skills/list')
    expect(namesOf(skills, 'uri')).toEqual(['skill://one/acme/billing/refunds/SKILL.md', 'one+github://owner/repo/skills/daily/SKILL.md', 'skill://two/acme/billing/refunds/SKILL.md'])
    expect((skills as object[])[0]).toEqual({
      ...REFUNDS,
      uri: 'skill://one/acme/billing/refunds/SKILL.md',
      resources: [file('skill://one/acme/billing/refunds/SKILL.md', 'a'), file('skill://one/acme/billing/refunds/examples/email.md', 'b')],
    })
    expect((skills as object[])[1]).toMatchObject({ resources: 'dynamic' })
    expect(ttlMs).toBe(serverEra === 'modern' ? 60_000 : 0)
    // A server that declares no skills is not asked for them.
    expect(askedOf(plain, 'skills/list')).toEqual([])
  })

  it('are got, and their files read, at the server that has them, by its own URIs', async () => {
    const [one, two] = [await startSkills(serverEra), await startSkills(serverEra)]
    const client = await clientAt(await build({ one: http(one.url), two: http(two.url) }, []), era, '/mcp')
    const { skill, vendorField, ttlMs, cacheScope } = await client.result('skills/get', { uri: 'skill://two/acme/billing/refunds/SKILL.md' })
    expect(skill).toMatchObject({ uri: 'skill://two/acme/billing/refunds/SKILL.md', resources: [file('skill://two/acme/billing/refunds/SKILL.md', 'a'), file('skill://two/acme/billing/refunds/examples/email.md', 'b')] })
    expect([vendorField, ttlMs, cacheScope]).toEqual(era === 'modern' && serverEra === 'legacy' ? [2, 0, 'private'] : [2, 300, 'public'])
    const { contents } = await client.result('resources/read', { uri: 'skill://two/acme/billing/refunds/SKILL.md' })
    expect(contents).toEqual([{ uri: 'skill://two/acme/billing/refunds/SKILL.md', text: '---\nname: refunds' }])
    expect([askedOf(one, 'skills/get'), askedOf(two, 'skills/get')]).toEqual([[], ['skill://acme/billing/refunds/SKILL.md']])
  })

  it('have directories that are read page by page, by cursors of the client\'s own', async () => {
    const one = await startSkills(serverEra)
    const client = await clientAt(await build({ one: http(one.url), two: http(one.url) }, []), era, '/mcp')
    const uri = 'skill://one/acme/billing/refunds'
    const { resources, nextCursor } = await client.result('resources/directory/read', { uri })
    expect(resources).toEqual([{ uri: 'skill://one/acme/billing/refunds/examples', name: 'examples', mimeType: 'inode/directory' }])
    expect(nextCursor).not.toBe('page-2')
    await client.result('resources/directory/read', { uri, cursor: nextCursor })
    expect(askedOf(one, 'resources/directory/read')).toEqual(['skill://acme/billing/refunds', 'page-2'])
    for (const [cursor, at] of [['page-2', uri], [nextCursor, `${uri}/other`], [nextCursor, 'skill://two/acme/billing/refunds']]) {
      expect(codeOf(await client.ask('resources/directory/read', { uri: at, cursor }))).toBe(-32602)
    }
  })

  it('are not asked for at a server that does not declare them, where several are one', async () => {
    const [one, plain, listed] = [await startSkills(serverEra), await startSkills(serverEra, { settings: null }), await startSkills(serverEra, { settings: {} })]
    const client = await clientAt(await build({ one: http(one.url), plain: http(plain.url), listed: http(listed.url) }, []), era, '/mcp')
    const refused = [['skills/get', 'skill://plain/a/SKILL.md'], ['resources/directory/read', 'skill://plain/a'], ['resources/directory/read', 'skill://listed/a'], ['skills/get', 'skill://nobody/a/SKILL.md'], ['skills/get', 'unmarked']]
    for (const [method = '', uri] of refused) {
      const answer = await client.ask(method, { uri })
      expect([method, uri, codeOf(answer)]).toEqual([method, uri, -32602])
      expect((messageOf(answer)['error'] as { readonly message: string }).message).toContain(uri)
    }
    for (const method of ['skills/get', 'resources/directory/read']) expect([...askedOf(plain, method), ...askedOf(listed, 'resources/directory/read')]).toEqual([])
  })

  it('are no method where no server has any', async () => {
    const plain = await startSkills(serverEra, { settings: null })
    const built = await build({ one: http(plain.url), two: http(plain.url) }, [])
    for (const path of ['/mcp', '/one/mcp']) expect(codeOf(await (await clientAt(built, era, path)).ask('skills/list'))).toBe(-32601)
  })

  it('of a virtual server are those of servers of whose resources nothing is left out', async () => {
    const one = await startSkills(serverEra)
    const built: Built = await build({ one: http(one.url), two: http(one.url) }, [
      virtual('open', { use: [{ server: 'one', tools: [] }] }),
      virtual('some', { use: [{ server: 'one', resources: ['skill://acme/*'] }, { server: 'two' }] }),
    ])
    const open = await clientAt(built, era, '/open/mcp')
    expect(namesOf((await open.result('skills/list'))['skills'], 'uri')).toEqual([REFUNDS.uri, DYNAMIC.uri])
    expect((await open.result('skills/get', { uri: REFUNDS.uri }))['skill']).toEqual(REFUNDS)
    const some = await clientAt(built, era, '/some/mcp')
    expect(namesOf((await some.result('skills/list'))['skills'], 'uri')).toEqual(['skill://two/acme/billing/refunds/SKILL.md', 'two+github://owner/repo/skills/daily/SKILL.md'])
    const { contents } = await some.result('resources/read', { uri: 'skill://one/acme/billing/refunds/SKILL.md' })
    expect(contents).toHaveLength(1)
    for (const method of ['skills/get', 'resources/directory/read']) expect(codeOf(await some.ask(method, { uri: 'skill://one/acme/billing/refunds/SKILL.md' }))).toBe(-32602)
    expect(askedOf(one, 'skills/get')).toHaveLength(1)
  })
})

describe('a manifest that two readers could read differently', () => {
  it('is left out where its URIs would have to be marked', async () => {
    const text = '{"uri":"skill://evil/SKILL.md","frontmatter":{},"resources":[{"uri":"skill://one/evil/SKILL.md","uri":"skill://good/x.md"}]}'
    const actor = closeAfter(await startActor(['modern'], { 'skills/list': ({ id, response }) => response.writeHead(200, { 'content-type': 'application/json' }).end(`{"jsonrpc":"2.0","id":${String(id)},"result":{"resultType":"complete","skills":[${text}],"ttlMs":0,"cacheScope":"private"}}`) }, { capabilities: { extensions: { [ID]: {} } } }))
    const built = await build({ evil: http(actor.url), good: http(actor.url) }, [])
    expect((await (await clientAt(built, 'modern', '/mcp')).result('skills/list'))['skills']).toEqual([])
  })
})
