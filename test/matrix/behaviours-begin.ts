/** How a connection begins, what is advertised, and what belongs to the other era. */
import { expect } from 'vitest'
import { carrierRow } from '../../src/core/bridge/carrier-table.ts'
import type { ServerCapabilities } from '../../src/protocol/capability.ts'
import { withTasks } from '../../src/protocol/capability.ts'
import { traitsOf } from '../../src/protocol/revision.ts'
import type { Revision } from '../../src/protocol/revision.ts'
import type { At, Cell, Group } from './cell.ts'

/** What a client needs of the table before a capability may be advertised to it. */
const METHODS: Readonly<Record<string, { readonly legacy: readonly string[]; readonly modern: readonly string[] }>> = {
  tools: { legacy: ['tools/list', 'tools/call'], modern: ['tools/list', 'tools/call', 'subscriptions/listen'] },
  prompts: { legacy: ['prompts/list', 'prompts/get'], modern: ['prompts/list', 'prompts/get', 'subscriptions/listen'] },
  resources: {
    legacy: ['resources/list', 'resources/templates/list', 'resources/read', 'resources/subscribe', 'resources/unsubscribe'],
    modern: ['resources/list', 'resources/templates/list', 'resources/read', 'subscriptions/listen'],
  },
  completions: { legacy: ['completion/complete'], modern: ['completion/complete'] },
  logging: { legacy: ['logging/setLevel'], modern: [] },
  extensions: { legacy: ['skills/list', 'skills/get', 'resources/directory/read'], modern: ['skills/list', 'skills/get', 'resources/directory/read'] },
}
const DECLARED: ServerCapabilities = {
  tools: { listChanged: true }, prompts: { listChanged: true }, resources: { listChanged: true, subscribe: true }, logging: {}, completions: {},
  extensions: { 'io.modelcontextprotocol/skills': { directoryRead: true } },
}

/** What the reference server declares, as far as the table carries it and the client's revision has it. */
function expected({ client, upstream }: Cell): ServerCapabilities {
  const carried = (method: string): boolean => {
    const row = carrierRow(client.era, upstream.era, method)
    return row !== undefined && row.kind !== 'unsupported'
  }
  const isKnown = (capability: string): boolean => capability !== 'completions' || traitsOf(client.revision as Revision).completionsCapability
  const declared = Object.fromEntries(Object.entries(DECLARED).filter(([key]) => METHODS[key]?.[client.era].every(carried) === true && isKnown(key)))
  // It has the tasks of 2026-07-28 only: each client is told of them in the words of its revision.
  return upstream.era === 'modern' ? withTasks(declared, client.revision as Revision) : declared
}

async function refuses(at: At, methods: readonly string[]): Promise<void> {
  for (const method of methods) {
    const params = method.startsWith('resources/') ? { uri: at.uri('test://static-text') } : {}
    expect([method, (await at.driver.request(method, params)).code]).toEqual([method, -32601])
  }
}

const REMOVED = ['ping', 'logging/setLevel', 'resources/subscribe', 'resources/unsubscribe', 'tasks/list', 'tasks/result']

export const BEGIN: Group = {
  title: 'Beginning',
  behaviours: [
    {
      id: 'versions', title: 'the revision is agreed on, the server introduced', spec: '2026-07-28/basic/versioning', server: 'reference',
      async run({ driver, cell }) {
        expect(driver.revision).toBe(cell.client.revision)
        expect(driver.about['instructions']).toContain('A server for tests')
      },
    },
    {
      id: 'capabilities', title: 'what is advertised is what the carrier table carries', spec: '2025-11-25/basic/lifecycle#capability-negotiation', server: 'reference',
      async run({ driver, cell }) {
        const advertised = driver.about['capabilities']
        if (cell.isMerged) expect(advertised).toMatchObject(expected(cell))
        else expect(advertised).toEqual(expected(cell))
      },
    },
    {
      id: 'ping', title: '`ping`', spec: '2025-11-25/basic/utilities/ping', server: 'reference',
      otherwise: ({ client }) => (client.era === 'legacy' ? undefined : client.kind === 'raw' ? { note: 'removed', run: (at) => refuses(at, ['ping']) } : { note: 'removed' }),
      run: async ({ driver }) => expect(await driver.request('ping')).toMatchObject({ result: {} }),
    },
    {
      id: 'other-era', title: 'methods of the other era are refused with −32601', spec: '2026-07-28/changelog', server: 'reference',
      otherwise: ({ client }) => (client.kind === 'sdk2' ? { note: 'official' } : undefined),
      run: (at) => refuses(at, at.cell.client.era === 'modern' ? REMOVED : ['server/discover', 'subscriptions/listen', 'tasks/update']),
    },
    {
      id: 'initialize', title: '`initialize` of a client that is modern is refused', spec: '2026-07-28/basic/versioning', server: 'reference',
      otherwise: ({ client }) => (client.era === 'legacy' ? { note: 'is-legacy' } : client.kind === 'raw' ? undefined : { note: 'official' }),
      async run({ driver }) {
        const { code, status } = await driver.request('initialize')
        expect([code, status]).toEqual([-32601, 404])
      },
    },
  ],
}
