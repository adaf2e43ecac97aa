/** Quiet connections: a sign of life that is no message, over HTTP; nothing on stdio (bridge-rulings §4, Progress). */
import { describe, expect, it } from 'vitest'
import { createManualClock } from '../src/adapters/memory/clock.ts'
import { startActor } from './fixtures/upstream/actor.ts'
import type { ActorCall } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { getRequest, legacyRequest, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream, WireRequest } from './mcp-client.ts'

const path = '/a/mcp'
const QUIET_MS = 16_000

async function play() {
  const held: ActorCall[] = []
  const actor = closeAfter(await startActor(['legacy', 'modern'], { wait: (call) => (held.push(call), call.token === undefined ? undefined : call.progress(1)) }))
  const clock = createManualClock()
  const rig = await startRig({ servers: { a: http(actor.url) }, deps: { clock } })
  /** Opens a stream, and collects all its bytes. */
  const watch = async (wire: WireRequest): Promise<{ readonly stream: Stream; comments(): number }> => {
    const stream = closeAfter(await openStream(rig.port, wire))
    let text = ''
    stream.incoming.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    return { stream, comments: () => text.split('\n').filter((line) => line.startsWith(':')).length }
  }
  /** The sweep runs each second. */
  const pass = (): void => {
    for (let ms = 0; ms < QUIET_MS; ms += 1_000) clock.advance(1_000)
  }
  /** Quiet passes until it is so: what is not there yet when the first has passed is when a later one has. */
  const passUntil = (check: () => boolean): Promise<void> => expect.poll(() => check() || (pass(), check()), { interval: 1_000 }).toBe(true)
  return { rig, clock, held, watch, pass, passUntil }
}

describe('a stream on which nothing happens', () => {
  it.each([
    ['of a modern call', () => modernRequest('tools/call', { name: 'wait' }, { path, meta: { progressToken: 't' } })],
    ['of a modern listen', () => modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }, { path })],
    ['of a legacy call', (session: string) => legacyRequest(session, 'tools/call', { name: 'wait', _meta: { progressToken: 't' } }, { path, headers: { accept: 'text/event-stream, application/json' } })],
    ['of a legacy session', (session: string) => getRequest(session, {}, path)],
  ])('%s has a comment now and then, and no message', async (_what, wire) => {
    const { rig, watch, passUntil } = await play()
    const session = await openSession(rig.port, { path })
    const { stream, comments } = await watch(wire(session))
    const expects = stream.messages().length
    await until(() => rig.gateway.status().inFlight > 0)
    await sleep(100)
    const before = { comments: comments(), messages: Math.max(expects, stream.messages().length) }
    await passUntil(() => comments() > before.comments)
    await passUntil(() => comments() > before.comments + 1)
    expect(stream.messages().length).toBe(before.messages)
  })

  it('on stdio has nothing', async () => {
    const { rig, held, pass } = await play()
    const lines: string[] = []
    const pipe = rig.gateway.stdio({ write: (text) => lines.push(text) > 0, onDrain: () => undefined, keepAlive: () => undefined, end: () => undefined }, 'a')
    pipe.take(modernRequest('tools/call', { name: 'wait' }, { id: 7 }).body)
    await until(() => held.length === 1)
    pass()
    pass()
    expect(lines).toEqual([])
    pipe.close()
  })
})
