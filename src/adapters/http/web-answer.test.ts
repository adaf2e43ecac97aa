import { getEventListeners } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startListener } from '../../../test/http-rig.ts'
import { answerByWeb } from './web-answer.ts'

const PIECE = new Uint8Array(64 * 1024)

/** Streams `pieces`, and says how many were asked for. */
async function play(pieces: number) {
  const [gone, ends] = [new AbortController(), new AbortController()]
  let asked = 0
  let isCancelled = false
  const body = (): ReadableStream<Uint8Array> =>
    new ReadableStream({
      pull(controller) {
        asked += 1
        if (asked <= pieces) controller.enqueue(PIECE)
        else controller.close()
      },
      cancel: () => void (isCancelled = true),
    })
  const { promise: answered, resolve } = Promise.withResolvers<void>()
  const { port } = await startListener((_request, response) => {
    void answerByWeb(new Request('http://portolan/'), response, { gone, ends: ends.signal }, async () => new Response(body(), { headers: { 'content-type': 'text/event-stream' } })).then(resolve)
  })
  const socket = connect({ host: '127.0.0.1', port }).pause()
  socket.write('GET /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
  const closed = new Promise((resolveClosed) => socket.on('error', () => undefined).once('close', resolveClosed))
  return { gone, ends, socket, answered, closed, asked: () => asked, isCancelled: () => isCancelled }
}

type Play = Awaited<ReturnType<typeof play>>

/** Until its client takes no more. */
async function stall({ asked }: Play): Promise<void> {
  let before = -1
  await expect.poll(() => asked() > 1 && before === (before = asked()), { interval: 50, timeout: 10_000 }).toBe(true)
}

describe('a stream that is written by what speaks Fetch', () => {
  it('is cut at the end of the process where its client does not read, so that a drain need not wait for it', async () => {
    const stream = await play(Number.POSITIVE_INFINITY)
    await stall(stream)
    stream.ends.abort()
    await stream.answered
    expect(stream.isCancelled()).toBe(true)
    stream.socket.resume()
    await stream.closed
  })

  it('ends where its client went away while it did not read', async () => {
    const stream = await play(Number.POSITIVE_INFINITY)
    await stall(stream)
    stream.socket.destroy()
    await stream.answered
    expect(stream.isCancelled()).toBe(true)
  })

  it('leaves nothing behind each time that it waits for a reader', async () => {
    const stream = await play(300)
    await stall(stream)
    let readBytes = 0
    stream.socket.on('data', (chunk) => (readBytes += chunk.length)).resume()
    await stream.closed
    await stream.answered
    expect(readBytes).toBeGreaterThan(300 * PIECE.length)
    expect(getEventListeners(stream.ends.signal, 'abort')).toHaveLength(0)
    expect(getEventListeners(stream.gone.signal, 'abort').length).toBeLessThanOrEqual(1)
  })
})
