/** Extensions: what each side is told of the other's, apps, skills, trace context, and what nobody has heard of. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { At, Group } from './cell.ts'
import { eventually, sleep, textOf } from './cell.ts'
import { EXTENSIONS } from './client.ts'
import type { Json } from './client.ts'
import { TRACE, VENDOR, VENDOR_SERVER } from './fixture-script.ts'

const NEGOTIATION = '2026-07-28/basic/versioning#extension-negotiation'
const SKILL = 'skill://guides/try-portolan/SKILL.md'
const CLOCK = 'ui://reference/clock'
const QUIET_MS = 150
const SENT = { traceparent: '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01', tracestate: 'a=1,b=t', baggage: 'k=v;p=1' }

interface Skill {
  readonly uri: string
  readonly frontmatter: Json
  readonly resources: readonly { readonly uri: string; readonly digest: string; readonly size: number }[]
}

const extensionsOf = ({ driver }: At): Json => ((driver.about['capabilities'] as Json | undefined)?.['extensions'] ?? {}) as Json
const contentsAt = async (at: At, uri: string): Promise<Json[]> => ((await at.driver.request('resources/read', { uri })).result?.['contents'] ?? []) as Json[]

async function toolAt(at: At, plain: string): Promise<Json | undefined> {
  for (let cursor: unknown, first = true; first || cursor !== undefined; first = false) {
    const { result } = await at.driver.request('tools/list', cursor === undefined ? {} : { cursor })
    const found = ((result?.['tools'] ?? []) as Json[]).find(({ name }) => name === at.name(plain))
    if (found !== undefined) return found
    cursor = result?.['nextCursor']
  }
  return undefined
}

async function skillsOf(at: At): Promise<readonly Skill[]> {
  const { result } = await at.driver.request('skills/list')
  return ((result?.['skills'] ?? []) as Skill[]).filter(({ uri }) => at.plainUri(uri) !== undefined)
}

let lastKey = 0

/** Where the fixture notes what it was notified of. */
async function notified(at: At): Promise<string> {
  const key = `moved-${at.cell.client.id}-${at.cell.hops}-${at.cell.upstream.id}-${(lastKey += 1)}`
  await at.driver.notify('notifications/vendor/moved', { key, to: [1, null] })
  return join(at.notesPath, key)
}

export const EXTENSION: Group = {
  title: 'Extensions',
  behaviours: [
    {
      id: 'declared', title: 'a client\'s extensions, known or not, are declared to the server', spec: NEGOTIATION, server: 'fixture',
      async run(at) {
        const told = async (one: At): Promise<unknown> => JSON.parse(textOf(await one.call('declared'))) as unknown
        expect(await told(await at.other('all'))).toEqual(EXTENSIONS)
        expect(await told(await at.other('none'))).toEqual({})
      },
    },
    {
      id: 'advertised', title: 'a server\'s extensions, known or not, are advertised to the client', spec: NEGOTIATION, server: 'fixture',
      otherwise: ({ isMerged }) => (isMerged ? { note: 'no-route', run: async (at) => expect(extensionsOf(at)).not.toHaveProperty([VENDOR]) } : undefined),
      run: async (at) => expect(extensionsOf(at)).toMatchObject({ [VENDOR]: VENDOR_SERVER }),
    },
    {
      id: 'vendor-notice', title: 'a client\'s notification that nobody knows, passed on', spec: '2025-11-25/basic#notifications', server: 'fixture',
      otherwise: ({ isMerged }) => (isMerged ? {
        note: 'no-route',
        async run(at) {
          const path = await notified(at)
          await sleep(QUIET_MS)
          expect(existsSync(path)).toBe(false)
        },
      } : undefined),
      async run(at) {
        const path = await notified(at)
        // The file is there before what is written to it.
        await eventually('the notification', () => existsSync(path) && readFileSync(path, 'utf8') !== '')
        expect(readFileSync(path, 'utf8')).toBe('[1,null]')
      },
    },
    {
      id: 'trace', title: 'trace context, with a request and with its result', spec: '2026-07-28/basic', server: 'fixture',
      async run(at) {
        const { result, text } = await at.driver.request('tools/call', { name: at.name('trace'), arguments: {}, _meta: SENT })
        expect(JSON.parse(textOf({ result: result ?? {} }))).toMatchObject({ params: { _meta: SENT } })
        expect(result?.['_meta']).toMatchObject(JSON.parse(`{${TRACE}}`) as Json)
        if (at.cell.client.kind === 'raw') expect(text).toContain(TRACE)
      },
    },
    {
      id: 'app-page', title: 'an app\'s page, which is not listed, is read by the URI that its tool names', spec: NEGOTIATION, server: 'reference',
      async run(at) {
        const meta = (await toolAt(at, 'test_app'))?.['_meta'] as { readonly ui?: Json } | undefined
        expect(meta?.ui?.['resourceUri']).toBe(at.uri(CLOCK))
        const [page] = await contentsAt(at, at.uri(CLOCK))
        expect(page).toMatchObject({ uri: at.uri(CLOCK), mimeType: 'text/html;profile=mcp-app', text: expect.stringContaining('ui/initialize') })
        expect(page?.['_meta']).toEqual({ ui: { csp: { connectDomains: ['https://time.example.com'], resourceDomains: [] }, prefersBorder: true } })
      },
    },
    {
      id: 'app-call', title: 'an app calls a tool that is for apps only, by the name that its server gave it', spec: NEGOTIATION, server: 'reference',
      otherwise: ({ isMerged }) => (isMerged ? {
        note: 'apps-apart',
        async run(at) {
          expect(await at.driver.request('tools/call', { name: 'test_app_refresh', arguments: {} })).toMatchObject({ code: -32602 })
          expect(await toolAt(at, 'test_app_refresh')).toBeUndefined()
          expect((await toolAt(at, 'test_app'))?.['_meta']).toMatchObject({ ui: { visibility: ['model'] } })
        },
      } : undefined),
      async run(at) {
        expect((await toolAt(at, 'test_app_refresh'))?.['_meta']).toMatchObject({ ui: { visibility: ['app'] } })
        expect(textOf(await at.driver.request('tools/call', { name: 'test_app_refresh', arguments: {} }))).toMatch(/^\d{4}-\d\d-\d\dT/)
      },
    },
    {
      id: 'skills', title: 'skills are listed and got; their files are what their digests say', spec: NEGOTIATION, server: 'reference',
      async run(at) {
        const skills = await skillsOf(at)
        expect(skills.map(({ uri, frontmatter }) => [at.plainUri(uri), frontmatter['name']])).toEqual([[SKILL, 'try-portolan']])
        const { result } = await at.driver.request('skills/get', { uri: at.uri(SKILL) })
        expect(result?.['skill']).toEqual(skills[0])
        for (const { uri, digest, size } of skills[0]?.resources ?? []) {
          const [file] = await contentsAt(at, uri)
          const bytes = Buffer.from(String(file?.['text']))
          expect([file?.['uri'], bytes.length, `sha256:${createHash('sha256').update(bytes).digest('hex')}`]).toEqual([uri, size, digest])
        }
      },
    },
    {
      id: 'skill-folder', title: 'a skill\'s directories are read, and what is none is refused with −32602', spec: NEGOTIATION, server: 'reference',
      async run(at) {
        const { result } = await at.driver.request('resources/directory/read', { uri: at.uri('skill://guides/try-portolan') })
        expect(((result?.['resources'] ?? []) as Json[]).map(({ uri, mimeType }) => [at.plainUri(String(uri)), mimeType])).toEqual([[SKILL, 'text/markdown'], ['skill://guides/try-portolan/references', 'inode/directory']])
        for (const method of ['skills/get', 'resources/directory/read']) {
          expect([method, (await at.driver.request(method, { uri: at.uri('skill://guides/none/SKILL.md') })).code]).toEqual([method, -32602])
        }
      },
    },
  ],
}
