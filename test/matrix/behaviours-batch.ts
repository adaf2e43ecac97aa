/** Batches, which only 2025-03-26 has: requests that come in an array, and a server's messages that do. */
import { expect } from 'vitest'
import type { At, Cell, Group, Otherwise } from './cell.ts'
import { textOf } from './cell.ts'

const progressOf = ({ driver }: At): number[] => driver.heard.filter(({ method }) => method === 'notifications/progress').map(({ params }) => Number(params['progress']))

/** `upstream_malformed`. */
const MALFORMED = -31022

const request = (id: number, method: string, params: object = {}): string => JSON.stringify({ jsonrpc: '2.0', id, method, params })
const post = async ({ driver }: At, ...messages: readonly string[]) => (await driver.raw?.(`[${messages.join(',')}]`)) ?? { status: 0, messages: [] }

/** Whoever has no batches is refused; what writes no bodies by hand cannot try. */
function hasNoBatches({ client }: Cell): Otherwise | undefined {
  if (client.id === 'raw-batches') return undefined
  if (client.kind !== 'raw') return { note: client.revision === '2025-03-26' ? 'official' : 'no-batches' }
  return {
    note: 'no-batches',
    async run(at) {
      const { status, messages } = await post(at, request(901, 'tools/list'), request(902, 'tools/list'))
      expect([status, messages.map(({ error }) => error?.code)]).toEqual([400, [-32600]])
    },
  }
}

export const BATCHES: Group = {
  title: 'Batches',
  behaviours: [
    {
      id: 'batch', title: 'requests in an array are answered in one array, refusals among them', spec: '2025-03-26/basic#batching', server: 'fixture',
      otherwise: hasNoBatches,
      async run(at) {
        const { status, messages } = await post(
          at, request(901, 'tools/call', { name: 'echo', arguments: { a: 1 } }), request(902, 'tools/call', { name: 'fail' }), request(903, 'no/such'), request(904, 'ping'),
        )
        const codes = Object.fromEntries(messages.map(({ id, error }) => [id, error?.code]))
        expect([status, codes]).toEqual([200, { 901: undefined, 902: 4242, 903: -32601, 904: undefined }])
      },
    },
    {
      id: 'batch-stream', title: 'a question and progress of one of them come before the last response', spec: '2025-03-26/basic/transports#sending-messages-to-the-server', server: 'reference',
      otherwise: hasNoBatches,
      async run(at) {
        const [one, other] = await Promise.all([at.call('test_sampling', { prompt: 'x' }), at.call('test_burst', { count: 3, bytes: 1 }, { progress: true })])
        expect([textOf(one), progressOf(at), at.driver.asked]).toEqual(['LLM response: Paris', [1, 2, 3], ['sampling/createMessage']])
        expect(textOf(other)).not.toContain('error')
      },
    },
    {
      id: 'batch-initialize', title: '`initialize` in an array is refused', spec: '2025-03-26/basic/lifecycle#initialization', server: 'reference',
      otherwise: hasNoBatches,
      async run(at) {
        const { status, messages } = await post(at, request(901, 'initialize', { protocolVersion: '2025-03-26', capabilities: {}, clientInfo: { name: 'x', version: '1' } }), request(902, 'ping'))
        expect([status, messages.map(({ error }) => error?.code)]).toEqual([400, [-32600]])
      },
    },
    {
      id: 'batch-server', title: 'a server\'s question, progress and response in arrays', spec: '2025-03-26/basic/transports#sending-messages-to-the-server', server: 'batching',
      otherwise: ({ upstream }) => (upstream.batches ? undefined : {
        note: 'no-arrays',
        run: async (at) => expect(await at.call('arrays', {}, { progress: true })).toMatchObject({ code: MALFORMED }),
      }),
      async run(at) {
        const reply = await at.call('arrays', { asks: true }, { progress: true })
        expect(textOf(reply)).toContain('file:///work')
        expect(progressOf(at)).toEqual([1, 2, 3])
      },
    },
  ],
}
