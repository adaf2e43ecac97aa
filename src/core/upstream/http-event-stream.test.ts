import type { ServerResponse } from 'node:http'
import { afterEach, describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createEgress } from '../../adapters/undici/egress.ts'
import { sse, startHttp, until } from '../../../test/fixtures/upstream/support.ts'
import type { Egress } from './egress.ts'
import { createEventStream } from './http-event-stream.ts'

const closers: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

/** A server that opens every stream, says nothing, and ends it when it is told to. */
async function play() {
  const responses: ServerResponse[] = []
  const server = await startHttp((_request, response) => {
    sse(response)
    responses.push(response)
  })
  const inner = createEgress({ env: {} })
  let heads = 0
  const egress: Egress = {
    send: (request, handler) =>
      inner.send(request, { onHead: (...head) => (handler.onHead(...head), (heads += 1)), onChunk: (chunk) => handler.onChunk(chunk), onEnd: () => handler.onEnd(), onFailure: (failure) => handler.onFailure(failure) }),
    close: () => inner.close(),
  }
  const clock = createManualClock()
  const random = { fraction: () => 1, id: () => 'id' }
  const stream = createEventStream({ egress, clock, random, url: server.url, headers: () => [], connectTimeoutMs: 1_000, eventBytes: 1_000, onText: () => undefined, onGone: () => undefined })
  closers.push(() => server.close(), () => egress.close(), () => Promise.resolve(stream.close()))
  await stream.open()
  return { clock, responses, opened: () => heads }
}

describe('a GET stream on which nothing is said', () => {
  it.each([
    ['is taken up again within 1 s, however often it was cut', 60_000, 1_000],
    ['is taken up again with back-off where it is cut at once', 0, 16_000],
  ])('%s', async (_what, standsMs, laterMs) => {
    const { clock, responses, opened } = await play()
    for (let cut = 1; cut <= 5; cut += 1) {
      clock.advance(standsMs)
      responses.at(-1)?.end()
      await until(() => clock.pendingCount === 1)
      if (cut === 5) clock.advance(laterMs - 1)
      expect(responses).toHaveLength(cut)
      clock.advance(cut === 5 ? 1 : laterMs)
      await until(() => opened() === cut + 1)
    }
  })
})
