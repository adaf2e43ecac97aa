/** Clients that read slowly: they hold up their own stream, in bounded memory, and nobody else's. */
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http, sleep, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig } from './gateway-rig.ts'
import { liveBytes } from './live-memory.ts'
import { getRequest, legacy, legacyRequest, messageOf, modern, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream, WireRequest } from './mcp-client.ts'

const MIB = 1024 * 1024
const BLOCK = 'x'.repeat(16 * 1024)

interface Scene {
  readonly rig: Rig
  readonly actor: Actor
  /** Bytes that the server could write of its endless answers. */
  sentBytes(): number
}

async function play(eras: readonly ('legacy' | 'modern')[] = ['legacy', 'modern']): Promise<Scene> {
  let sent = 0
  const burst: Act = (call) => {
    call.stream()
    let progress = 0
    const pump = (): void => {
      if (call.response.destroyed) return
      for (let step = 0; step < 16 && !call.response.writableNeedDrain; step += 1) {
        progress += 1
        call.send({ method: 'notifications/progress', params: { progressToken: call.token, progress, message: BLOCK } })
        sent += BLOCK.length
      }
      if (call.response.writableNeedDrain) call.response.once('drain', pump)
      else setImmediate(pump)
    }
    pump()
  }
  const actor = closeAfter(await startActor(eras, { burst }))
  return { actor, rig: await startRig({ servers: { actor: http(actor.url) } }), sentBytes: () => sent }
}

/** Opens the stream and stops reading it. */
async function openSlow(rig: Rig, wire: WireRequest): Promise<Stream> {
  const stream = await openStream(rig.port, wire)
  stream.incoming.pause()
  return stream
}

const BURST = { name: 'actor__burst', _meta: { progressToken: 'p' } }

/** Waits until the number grows no more. */
async function standstill(count: () => number): Promise<number> {
  let before = -1
  for (let quiet = 0; quiet < 5; before = count()) {
    await sleep(50)
    quiet = count() === before ? quiet + 1 : 0
  }
  return before
}

describe('a slow reader of an endless answer', () => {
  it.each(['modern', 'legacy'])('pauses its own stream, and only that: %s', async (era) => {
    const { rig, sentBytes } = await play()
    const session = await openSession(rig.port)
    const before = liveBytes()
    const wire = era === 'modern' ? modernRequest('tools/call', { name: BURST.name }, { meta: { progressToken: 'p' } }) : legacyRequest(session, 'tools/call', BURST)
    const slow = await openSlow(rig, wire)
    // Kernel buffers of both sockets on loopback take several MiB before anyone is stopped.
    const stopped = await standstill(sentBytes)
    expect(stopped).toBeLessThan(64 * MIB)
    for (let id = 0; id < 20; id += 1) {
      expect(messageOf(await modern(rig.port, 'tools/call', { name: 'actor__echo' }, { id }))).toMatchObject({ id, result: {} })
      expect(messageOf(await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' }, { id: id + 10 }))).toMatchObject({ id: id + 10 })
    }
    expect(sentBytes()).toBe(stopped)
    expect(liveBytes() - before).toBeLessThan(32 * MIB)
    slow.incoming.resume()
    await until(() => sentBytes() > stopped + 16 * MIB)
    slow.incoming.pause()
    await standstill(sentBytes)
    slow.incoming.resume()
    await until(() => slow.messages().length > 2_000)
    const progress = slow.messages().map(({ params }) => (params as { progress: number }).progress)
    expect(progress).toEqual(progress.map((_, index) => index + 1))
    slow.drop()
    if (era === 'legacy') await legacy(rig.port, session, '', {}, { body: '{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}' })
    await rig.settled()
  }, 60_000)
})

describe('a slow reader of what servers announce', () => {
  /** 48 MiB, no more at once than the server gets rid of. Gives the most that was held meanwhile, beside what was held before. */
  const announceMuch = async (actor: Actor, method: string): Promise<number> => {
    const before = liveBytes()
    let most = 0
    for (let sentMib = 1; sentMib <= 48; sentMib += 1) {
      for (let step = 0; step < MIB / BLOCK.length; step += 1) actor.announce(method, { level: 'info', uri: 'test://one', data: BLOCK })
      do await turn()
      while (actor.unsentBytes > 0)
      if (sentMib % 16 === 0) most = Math.max(most, liveBytes() - before)
    }
    return most
  }

  it('on a GET stream is cut off before it costs much, and can come back', async () => {
    const { rig, actor } = await play(['legacy'])
    const session = await openSession(rig.port)
    await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' })
    const slow = await openSlow(rig, getRequest(session))
    await until(() => actor.streamCount > 0)
    const most = await announceMuch(actor, 'notifications/message')
    expect(most).toBeLessThan(32 * MIB)
    await rig.settled()
    slow.drop()
    expect(messageOf(await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' }))).toHaveProperty('result')
    const again = await openStream(rig.port, getRequest(session))
    actor.announce('notifications/message', { level: 'info', data: 'last' })
    await until(() => again.messages().some(({ params }) => (params as { data?: string } | undefined)?.data === 'last'))
    again.drop()
  })

  it('on a listen is cut off before it costs much', async () => {
    const { rig, actor } = await play(['modern'])
    await modern(rig.port, 'tools/list', {}, { path: '/actor/mcp' })
    const listen = modernRequest('subscriptions/listen', { notifications: { resourceSubscriptions: ['test://one'] } }, { path: '/actor/mcp' })
    const slow = await openSlow(rig, listen)
    await until(() => actor.streamCount > 0)
    const most = await announceMuch(actor, 'notifications/resources/updated')
    expect(most).toBeLessThan(32 * MIB)
    expect((await rig.settled()).at(-1)).toMatchObject({ method: 'subscriptions/listen' })
    slow.drop()
  })

  it('without a stream has a backlog of bounded size', async () => {
    const { rig, actor } = await play(['legacy'])
    const session = await openSession(rig.port)
    await legacy(rig.port, session, 'tools/call', { name: 'actor__echo' })
    const first = await openStream(rig.port, getRequest(session))
    await until(() => actor.streamCount > 0)
    first.drop()
    await rig.settled()
    const big = 'y'.repeat(MIB)
    for (let index = 0; index < 100; index += 1) actor.announce('notifications/message', { level: 'info', data: `${index}${big}` })
    actor.announce('notifications/message', { level: 'info', data: 'last' })
    await until(() => actor.unsentBytes === 0)
    await sleep(300)
    const again = await openStream(rig.port, getRequest(session))
    await until(() => again.messages().some(({ params }) => (params as { data?: string } | undefined)?.data === 'last'))
    expect(again.messages().length).toBeLessThan(20)
    again.drop()
  })
})
