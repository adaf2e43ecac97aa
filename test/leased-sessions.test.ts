/** Sessions at legacy servers that one call has for itself: whoever else uses them loses nothing, and who does not come back does not keep them. */
import { describe, expect, it } from 'vitest'
import type { Limits, StdioServer } from '../src/core/gateway/snapshot.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { ActorCall } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import type { Answer } from './http-rig.ts'
import { codeOf, messageOf, modern, modernRequest, openStream } from './mcp-client.ts'

type Json = Record<string, unknown>
const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: {} } }
const path = '/a/mcp'
const ASKED = { path, meta: { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } } } }

const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json

describe('a request that uses the session of a call', () => {
  it('is answered though the call is cancelled, and the session ends after it', async () => {
    const slow: ActorCall[] = []
    const actor = closeAfter(await startActor(['legacy'], { ask: ({ progress }) => progress(1), 'x/slow': (call) => void slow.push(call) }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const meta = { ...ASKED.meta, progressToken: 't' }
    const call = await openStream(rig.port, modernRequest('tools/call', { name: 'ask', arguments: {} }, { path, meta }))
    await call.count(1)
    const other = modern(rig.port, 'x/slow', {}, ASKED)
    await until(() => slow.length === 1)
    const session = String(slow[0]?.request.headers['mcp-session-id'])
    expect(actor.requests.find(({ json }) => json.method === 'tools/call')?.headers['mcp-session-id']).toBe(session)
    call.drop()
    await until(() => actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    slow[0]?.answer({ done: true })
    expect(resultOf(await other)).toMatchObject({ done: true })
    await until(() => !actor.sessions.has(session))
  })
})

describe('a server that asks a call whose client cannot be asked', () => {
  it('without end is not refused without end: its call is given up', async () => {
    const actor = closeAfter(await startActor(['legacy'], {
      ask({ send }) {
        for (let n = 0; n < 5_000; n += 1) send({ id: `q${n}`, method: 'elicitation/create', params: FORM })
      },
    }))
    const rig = await startRig({ servers: { a: http(actor.url) } })
    const answer = await modern(rig.port, 'tools/call', { name: 'ask', arguments: {} }, { path })
    expect(codeOf(answer)).toBe(-31_022)
    await until(() => actor.requests.some(({ json }) => json.method === 'notifications/cancelled'))
    expect(actor.requests.filter(({ json }) => json['error'] !== undefined).length).toBeLessThan(2_000)
  })
})

/** Answers calls of `ask` by a question, and of `echo` at once. */
const CHILD = `
  const say = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
  require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
    const { id, method, params } = JSON.parse(line)
    if (method === 'initialize') say({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'child', version: '1' } } })
    else if (method === 'tools/list') say({ id, result: { tools: [{ name: 'ask', inputSchema: { type: 'object' } }] } })
    else if (method === 'tools/call') say({ id: 'q', method: 'elicitation/create', params: ${JSON.stringify(FORM)} })
  })
`
const child: StdioServer = { transport: 'stdio', command: process.execPath, args: ['-e', CHILD], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined }

describe('a client that does not come back with its answers', () => {
  const ask = (rig: Rig, token: string, more: object = {}): Promise<Answer> => modern(rig.port, 'tools/call', { name: 'ask', arguments: {}, ...more }, { ...ASKED, token })
  const start = (limits: Partial<Limits>): Promise<Rig> =>
    startRig({ servers: { a: child }, server: { era: 'legacy' }, limits: { childrenPerPrincipal: 2, childrenPerUpstream: 3, childQueueMs: 300, ...limits } })
  const back = (round: Answer): object => ({ requestState: resultOf(round)['requestState'], inputResponses: {} })
  const twice = async (rig: Rig): Promise<readonly [Answer, Answer]> => {
    const rounds = [await ask(rig, 'alice'), await ask(rig, 'alice')] as const
    for (const round of rounds) expect(resultOf(round)['resultType']).toBe('input_required')
    return rounds
  }

  it('has the call that waits longest give way to its next one', async () => {
    const rig = await start({ inputYieldMs: 1, childQueueMs: 5_000 })
    const [first, second] = await twice(rig)
    expect(resultOf(await ask(rig, 'alice'))['resultType']).toBe('input_required')
    expect(codeOf(await ask(rig, 'alice', back(first)))).toBe(-31_024)
    expect(resultOf(await ask(rig, 'alice', back(second)))['resultType']).toBe('input_required')
  })

  it.each([
    ['nobody else\'s', 'bob', 1],
    ['none that has not waited a while', 'alice', 60_000],
  ])('has it give way to %s', async (_what, token, inputYieldMs) => {
    const rig = await start({ inputYieldMs })
    const [first] = await twice(rig)
    expect(codeOf(await ask(rig, token))).toBe(-31_017)
    expect(resultOf(await ask(rig, 'alice', back(first)))['resultType']).toBe('input_required')
  })
})
