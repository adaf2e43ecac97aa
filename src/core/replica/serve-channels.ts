/**
 * At the replica that runs a server's children: what other replicas send is sent to the child, what it says goes back. A call that
 * comes when the children are another replica's by now is sent back, undone.
 */

import type { Message } from '../../protocol/message.ts'
import type { WireText } from '../../protocol/json.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { PeerService } from '../gateway/peer-link.ts'
import { createTextQueue } from '../gateway/text-queue.ts'
import type { TextQueue } from '../gateway/text-queue.ts'
import type { Random } from '../random.ts'
import type { CallControl, Channel, ChannelFailure, LegacyChannel } from '../upstream/channel.ts'
import type { OpenFault } from '../upstream/legacy-handshake.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { isAside, readChannelRequest, writeChannelAnswer } from './channel-texts.ts'
import type { ChannelRequest, LegacyTerms } from './channel-texts.ts'

export interface ServeChannelsDeps {
  readonly random: Random
  readonly upstreams: { byId(id: string): Upstream | undefined }
}

type Request<Op extends ChannelRequest['op']> = Extract<ChannelRequest, { readonly op: Op }>

/** One conversation's channel. */
interface Served {
  readonly upstream: Upstream
  /** The modern child may be another one by now. */
  channel(): Channel | Promise<Channel>
  /** Of a child that nobody else uses: those in flight, the newest last. */
  readonly calls: Set<TextQueue>
  /** What comes outside any call. */
  readonly standing: TextQueue
}

/** A reader that is further behind than this is slow. */
const ROOM_CHARS = 256 * 1024
const ELSEWHERE = writeChannelAnswer({ kind: 'elsewhere' })
const ACCEPTED = writeChannelAnswer({ kind: 'accepted' })

export function serveChannels({ random, upstreams }: ServeChannelsDeps): PeerService {
  const served = new Map<string, Served>()
  let opens = 0

  async function* open({ upstreamId, legacy }: Request<'open'>, signal: AbortSignal): AsyncGenerator<WireText> {
    const upstream = upstreams.byId(upstreamId)
    const { placement } = upstream ?? {}
    if (upstream === undefined || placement === undefined || !placement.isHere()) return yield ELSEWHERE
    const queue = createTextQueue(ROOM_CHARS)
    signal.addEventListener('abort', () => queue.close(), { once: true })
    const stopMoved = placement.onMoved(() => queue.end())
    const channelId = random.id()
    let channel: LegacyChannel | undefined
    try {
      const calls = new Set<TextQueue>()
      const profile = await profileOf(upstream, legacy === undefined ? 'modern' : 'legacy')
      if ('reason' in profile) return yield writeChannelAnswer({ kind: 'fault', fault: profile })
      if (legacy !== undefined) channel = await openLegacy(upstream, legacy, calls, queue)
      const shown = channel ?? (await upstream.modern())
      served.set(channelId, { upstream, channel: channel === undefined ? () => upstream.modern() : () => shown, calls, standing: queue })
      // Not from the child, which begins again at 1 when it is restarted, while this channel and its prefix stay. Its own ids are numbers.
      opens += 1
      const idPrefix = `r${opens}`
      yield writeChannelAnswer({ kind: 'opened', opened: { channelId, idPrefix, profile: { ...profile, revision: shown.revision }, initializeResult: channel?.initializeResult ?? '' } })
      yield* queue
    } catch (error) {
      if (served.has(channelId)) throw error
      if (!placement.isHere()) return yield ELSEWHERE
      yield writeChannelAnswer({ kind: 'fault', fault: faultOf(error) })
    } finally {
      served.delete(channelId)
      stopMoved()
      void channel?.close().catch(() => undefined)
    }
  }

  async function* call(request: Request<'call'>, signal: AbortSignal): AsyncGenerator<WireText> {
    const found = served.get(request.channelId)
    if (found?.upstream.placement?.isHere() !== true) return yield ELSEWHERE
    const channel = await Promise.resolve(found.channel()).catch(() => undefined)
    if (channel === undefined || channel.closed || signal.aborted) return yield ELSEWHERE
    const queue = createTextQueue(ROOM_CHARS)
    found.calls.add(queue)
    const control = channel.send(callFor(request, queue, { control: () => control, onLast: () => found.calls.delete(queue) }))
    const giveUp = (): void => {
      found.calls.delete(queue)
      control.abort('the client gave it up')
      // Another call may wait for the answer to them.
      for (const text of queue.close()) if (isAside(text)) void found.standing.push(text)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      yield* queue
    } finally {
      found.calls.delete(queue)
      signal.removeEventListener('abort', giveUp)
      // After its end nothing happens.
      control.abort('the client gave it up')
    }
  }

  async function* notify({ channelId, text }: Request<'notify'>): AsyncGenerator<WireText> {
    const channel = await served.get(channelId)?.channel()
    if (channel === undefined) return yield ELSEWHERE
    await channel.notify(text)
    yield ACCEPTED
  }

  async function* hold({ channelId }: Request<'hold'>, signal: AbortSignal): AsyncGenerator<WireText> {
    const channel = await served.get(channelId)?.channel()
    const letGo = channel !== undefined && 'hold' in channel ? (channel as LegacyChannel).hold?.() : undefined
    if (letGo === undefined) return
    const queue = createTextQueue(ROOM_CHARS)
    signal.addEventListener('abort', () => queue.close(), { once: true })
    try {
      yield ACCEPTED
      yield* queue
    } finally {
      letGo()
    }
  }

  return (text, signal) => {
    const request = readChannelRequest(text)
    switch (request?.op) {
      case 'open':
        return open(request, signal)
      case 'call':
        return call(request, signal)
      case 'notify':
        return notify(request)
      case 'hold':
        return hold(request, signal)
      default:
        return only(ELSEWHERE)
    }
  }
}

async function* only(text: WireText): AsyncGenerator<WireText> {
  yield text
}

/** What the server is in this era, or why it cannot be had. */
async function profileOf(upstream: Upstream, era: 'legacy' | 'modern') {
  const profile = (await upstream.profile())[era]
  if (profile !== undefined) return profile
  return { reason: 'refused', detail: `${upstream.name} does not speak this era` } satisfies OpenFault
}

function openLegacy(upstream: Upstream, terms: LegacyTerms, calls: ReadonlySet<TextQueue>, standing: TextQueue): Promise<LegacyChannel> {
  return upstream.openLegacy({
    ...terms,
    headers: [],
    listener: {
      onMessage(message) {
        // What belongs to a call by its place in the stream only must not be overtaken by its response.
        const flight = isOfCall(message) ? [...calls].at(-1) : undefined
        void (flight ?? standing).push(writeChannelAnswer({ kind: flight === undefined ? 'message' : 'aside', message }))
      },
      onClosed({ gone, detail, wasIdle = false }) {
        void standing.push(writeChannelAnswer({ kind: 'closed', closed: { gone, detail, wasIdle } }))
        standing.end()
      },
    },
  })
}

function isOfCall({ kind, method }: Message): boolean {
  return kind === 'request' || method === 'notifications/message'
}

interface CallHooks {
  control(): CallControl
  /** Nothing is to be queued with it any more. */
  onLast(): void
}

function callFor({ text, idText, method, progressToken }: Request<'call'>, queue: TextQueue, { control, onLast }: CallHooks): Parameters<Channel['send']>[0] {
  const last = (answer: WireText): void => {
    onLast()
    void queue.push(answer)
    queue.end()
  }
  return {
    text, idText, method, progressToken,
    headers: [],
    handler: {
      onMessage(message) {
        const room = queue.push(writeChannelAnswer({ kind: 'message', message }))
        if (!queue.isFull()) return true
        void room.then(() => control().resume())
        return false
      },
      onResponse: (message) => last(writeChannelAnswer({ kind: 'response', message })),
      onFailure: (failure: ChannelFailure) => last(writeChannelAnswer({ kind: 'failure', failure })),
    },
  }
}

function faultOf(error: unknown): OpenFault {
  if (!(error instanceof PortolanError)) return { reason: 'unreachable', detail: 'the server could not be opened' }
  const reason = error.code === 'overloaded' ? 'overloaded' : 'unreachable'
  return { reason, detail: typeof error.cause === 'string' ? error.cause : error.message, ...(error.retryAfterSec === undefined ? {} : { retryAfterSec: error.retryAfterSec }) }
}
