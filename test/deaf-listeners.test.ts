/** Who listens hears its server once that can be heard, though nobody calls. */
import { describe, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import { http, until } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import { getRequest, modernRequest, openSession, openStream } from './mcp-client.ts'
import type { Stream } from './mcp-client.ts'

const TOOLS = 'notifications/tools/list_changed'

const times = (stream: Stream, wanted: string): number => stream.messages().filter(({ method }) => method === wanted).length

/** What is announced now reaches the stream. */
async function hears(stream: Stream, method: string, announce: () => void): Promise<void> {
  const before = times(stream, method)
  announce()
  await until(() => times(stream, method) > before)
}

describe.each([['legacy'], ['modern']] as const)('a client that listens before a %s server is there', (era) => {
  it.each([['legacy'], ['modern']] as const)('in the %s way hears it once it is', async (client) => {
    const actor = closeAfter(await startActor([era]))
    const rig = await startRig({ servers: { a: http(actor.url), b: http(actor.url) } })
    actor.refuse(true)
    const stream = closeAfter(client === 'modern'
      ? await openStream(rig.port, modernRequest('subscriptions/listen', { notifications: { toolsListChanged: true } }))
      : await openStream(rig.port, getRequest(await openSession(rig.port))))
    if (client === 'modern') await stream.count(1)
    actor.refuse(false)
    await until(() => actor.streamCount > 0)
    await hears(stream, TOOLS, () => actor.announce(TOOLS))
  })
})
