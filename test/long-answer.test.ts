/** Results longer than the limit of what is collected: passed on while they arrive, byte for byte, and never taken for whole when they are not. */
import { createHash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { liveBytes } from './live-memory.ts'
import { codeOf, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { WireRequest } from './mcp-client.ts'

const MIB = 1024 * 1024
const BLOCK = `${'é 7'.repeat(4 * 1024)}\\u0000`
const BLOCK_BYTES = Buffer.byteLength(BLOCK)

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
  sentBytes(): number
}

/** Tools that answer with one long text: `args.blocks` blocks, the members around them as `args` say. */
async function play(limits = {}): Promise<Scene> {
  let sent = 0
  const long: Act = ({ id, response, args }) => {
    const { blocks = 1_500, before = '', after = '', last = `,"jsonrpc":"2.0","id":${JSON.stringify(id)}}`, cut = false } = args as Record<string, never>
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write(`{"result":{${before}"content":[{"type":"text","text":"`)
    let left = Number(blocks)
    const pump = (): void => {
      for (; left > 0 && !response.writableNeedDrain && !response.destroyed; left -= 1) {
        response.write(BLOCK)
        sent += BLOCK_BYTES
      }
      if (left > 0 && !response.destroyed) response.once('drain', pump)
      else if (cut) response.destroy()
      else response.end(`"}]${after}}${last}`)
    }
    pump()
  }
  const actor = closeAfter(await startActor(['legacy', 'modern'], { long }))
  return { actor, rig: await startRig({ servers: { actor: http(actor.url) }, limits }), sentBytes: () => sent }
}

interface Received {
  readonly status: number
  readonly whole: boolean
  readonly bytes: number
  readonly digest: string
  readonly head: string
  readonly tail: string
}

/** Reads the answer without keeping it. */
function receive(port: number, { verb, path, headers, body }: WireRequest, onBytes: (bytes: number) => void = () => undefined): Promise<Received> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({ host: '127.0.0.1', port, method: verb, path, headers, agent: false }, (incoming) => {
      const hash = createHash('sha256')
      let [bytes, head, tail] = [0, '', '']
      incoming.on('data', (chunk: Buffer) => {
        hash.update(chunk)
        bytes += chunk.length
        onBytes(bytes)
        if (head === '') head = chunk.toString('latin1', 0, 100)
        tail = (tail + chunk.toString('latin1')).slice(-120)
      })
      incoming.on('error', () => undefined)
      incoming.on('close', () => resolve({ status: incoming.statusCode ?? 0, whole: incoming.complete, bytes, digest: hash.digest('hex'), head, tail }))
    })
    outgoing.on('error', reject)
    outgoing.end(body, 'latin1')
  })
}

const EXPECTED = (blocks: number, id: string, before = '', after = ''): string =>
  createHash('sha256').update(`{"result":{${before}"content":[{"type":"text","text":"${BLOCK.repeat(blocks)}"}]${after}},"jsonrpc":"2.0","id":${id}}`).digest('hex')

async function wireOf(era: string, rig: Rig, args: object, path = '/actor/mcp'): Promise<WireRequest> {
  const params = { name: path === '/mcp' ? 'actor__long' : 'long', arguments: args }
  if (era === 'modern') return modernRequest('tools/call', params, { path, id: 4711 })
  return legacyRequest(await openSession(rig.port, { path }), 'tools/call', params, { path, id: 4711 })
}

describe.each(['modern', 'legacy'])('a long result for a %s client', (era) => {
  const complete = era === 'modern' ? '"resultType":"complete",' : ''

  it('arrives byte for byte though it is longer than what may be collected, in bounded memory', { timeout: 60_000 }, async () => {
    const { rig, sentBytes } = await play()
    const wire = await wireOf(era, rig, { blocks: 3_000, before: complete })
    await receive(rig.port, await wireOf(era, rig, { blocks: 200, before: complete }))
    const [before, sentBefore] = [liveBytes(), sentBytes()]
    let [underway, held] = [0, 0]
    const answer = await receive(rig.port, wire, (bytes) => {
      underway = Math.max(underway, sentBytes() - sentBefore - bytes)
      if (held === 0 && bytes > 30 * MIB) held = liveBytes() - before
    })
    expect(answer.bytes).toBeGreaterThan(45 * MIB)
    expect(answer).toMatchObject({ status: 200, whole: true, digest: EXPECTED(3_000, '4711', complete) })
    expect(Math.max(underway, held)).toBeLessThan(24 * MIB)
    const record = (await rig.settled()).at(-1)
    expect(record).toMatchObject({ method: 'tools/call', outcome: 'answered', status: 200, responseBytes: answer.bytes })
  })

  it('waits for a slow client, and holds up nobody else', async () => {
    const { rig, sentBytes } = await play()
    const slow = await openStream(rig.port, await wireOf(era, rig, { blocks: 20_000, before: complete }))
    slow.incoming.pause()
    let before = -1
    while (before !== sentBytes()) {
      before = sentBytes()
      await sleep(150)
    }
    expect(before).toBeLessThan(64 * MIB)
    expect(messageOf(await modern(rig.port, 'tools/call', { name: 'echo' }, { path: '/actor/mcp' }))).toHaveProperty('result')
    slow.incoming.removeAllListeners('data').on('data', () => undefined).resume()
    await until(() => sentBytes() > before + 32 * MIB)
    slow.drop()
    if (era === 'modern') await rig.settled()
  }, 30_000)

  it.each([
    ['breaks off', { cut: true }],
    ['has another id', { last: ',"jsonrpc":"2.0","id":99999}' }],
    ['ends in nonsense', { last: '}}}' }],
    ['is no JSON in its middle', { after: ',"x":tru' }],
  ])('is never taken for whole where it %s; it is not asked for again', async (_what, args) => {
    const { rig, actor } = await play()
    const answer = await receive(rig.port, await wireOf(era, rig, { blocks: 300, before: complete, ...args }))
    expect([answer.status, answer.whole]).toEqual([200, false])
    expect(actor.requests.filter(({ json }) => json.method === 'tools/call')).toHaveLength(1)
    expect((await rig.settled()).at(-1)).toMatchObject({ method: 'tools/call', outcome: 'refused' })
  })

  it('may say that it failed, anywhere', async () => {
    const { rig } = await play()
    const answer = await receive(rig.port, await wireOf(era, rig, { blocks: 300, before: complete, after: ',"isError":true' }))
    expect(answer).toMatchObject({ whole: true, digest: EXPECTED(300, '4711', complete, ',"isError":true') })
  })

  it('has a limit where it must be rewritten: on /mcp', async () => {
    const { rig } = await play({ resultBytes: 4 * MIB })
    const wire = await wireOf(era, rig, { blocks: 1_000, before: complete }, '/mcp')
    const answer = await receive(rig.port, wire)
    expect(answer.bytes).toBeLessThan(1_000)
    expect(answer.tail).toContain('"error"')
    expect(messageOf(await modern(rig.port, 'tools/call', { name: 'actor__long', arguments: { blocks: 200, before: '"resultType":"complete",' } }))).toHaveProperty('result')
  })
})

describe('handles in a long result', () => {
  it('are sealed wherever they stand: a request state behind the content', async () => {
    const { rig } = await play()
    const after = ',"requestState":"plain","resultType":"input_required"'
    const answer = await receive(rig.port, await wireOf('modern', rig, { blocks: 300, after }))
    expect(answer.whole).toBe(true)
    expect(answer.tail).not.toContain('plain')
    expect((await rig.settled()).at(-1)).toMatchObject({ outcome: 'inputRequired' })
  })

  it('are never passed on unsealed: a task behind the content breaks the answer off', async () => {
    const { rig } = await play()
    const after = ',"task":{"taskId":"secret-task","status":"working"}'
    const answer = await receive(rig.port, await wireOf('legacy', rig, { blocks: 300, after }))
    expect([answer.whole, answer.tail.includes('secret-task')]).toEqual([false, false])
  })
})

describe('a long result between eras', () => {
  it('is rewritten, and has a limit', async () => {
    const actor = closeAfter(await startActor(['modern'], { long: ({ answer }) => answer({ content: [{ type: 'text', text: 'x'.repeat(5 * MIB) }] }) }))
    const rig = await startRig({ servers: { actor: http(actor.url) }, limits: { resultBytes: 4 * MIB } })
    const session = await openSession(rig.port, { path: '/actor/mcp' })
    expect(codeOf(await legacy(rig.port, session, 'tools/call', { name: 'long' }, { path: '/actor/mcp' }))).not.toBe(0)
  })
})
