/**
 * A server's child that another replica runs, as a channel like any other. It stands for as long as the conversation does that
 * opened it; each call is a conversation of its own, so that it is cancelled, waits for its reader and is lost by itself.
 */

import { PortolanError } from '../../protocol/error.ts'
import type { Message } from '../../protocol/message.ts'
import { ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Revision } from '../../protocol/revision.ts'
import type { PeerAnswer, PeerLink } from '../gateway/peer-link.ts'
import type { CallControl, Channel, ChannelCall, ChannelFailure, ChannelListener, LegacyChannel } from '../upstream/channel.ts'
import type { OpenFault } from '../upstream/legacy-handshake.ts'
import type { EraProfile } from '../upstream/upstream.ts'
import { CHANNEL_TOPIC, readChannelAnswer, writeChannelRequest } from './channel-texts.ts'
import type { ChannelAnswer, ChannelClosed, ChannelRequest, LegacyTerms, OpenedChannel } from './channel-texts.ts'

export interface RemoteChannel {
  readonly profile: EraProfile
  readonly channel: Channel | LegacyChannel
}

export interface RemoteOpen {
  readonly replicaId: string
  readonly upstreamId: string
  /** Undefined: the modern child, which everybody shares. */
  readonly legacy: LegacyTerms | undefined
  readonly listener: ChannelListener
}

/** Opens it; undefined where it does not run there any more, or that replica cannot be reached. Never rejects. */
export async function openRemote(peers: PeerLink, { replicaId, upstreamId, legacy, listener }: RemoteOpen): Promise<Result<RemoteChannel, OpenFault> | undefined> {
  const standing = await converse(peers, replicaId, { op: 'open', upstreamId, legacy })
  if (!('messages' in standing)) return standing === FULL ? { ok: false, fault: { reason: 'overloaded', detail: FULL.detail, retryAfterSec: 1 } } : undefined
  const answers = readAnswers(standing)
  const first = await next(answers)
  if (first?.kind === 'fault') return { ok: false, fault: first.fault }
  if (first?.kind !== 'opened') {
    standing.cancel()
    return undefined
  }
  const { opened } = first
  const remote = createRemote({ peers, replicaId, opened, listener, close: () => standing.cancel() })
  void remote.read(answers)
  return ok({ profile: opened.profile, channel: legacy === undefined ? remote.channel : asLegacy(remote, opened) })
}

interface RemoteOptions {
  readonly peers: PeerLink
  readonly replicaId: string
  readonly opened: OpenedChannel
  readonly listener: ChannelListener
  close(): void
}

interface Remote {
  readonly channel: Channel
  read(answers: AsyncIterator<ChannelAnswer>): Promise<void>
  hold(): () => void
}

function createRemote({ peers, replicaId, opened, listener, close }: RemoteOptions): Remote {
  const { channelId, idPrefix, profile } = opened
  let lastId = 0
  let isClosed = false
  let inFlight = 0
  /** Its child ends with it, where nobody else uses that: those in flight may still be answered. */
  const closeIdle = (): void => {
    if (isClosed && inFlight === 0) close()
  }
  const lose = (closed: ChannelClosed): void => {
    if (isClosed) return
    isClosed = true
    closeIdle()
    listener.onClosed({ gone: closed.gone, detail: closed.detail, ...(closed.wasIdle ? { wasIdle: true } : {}) })
  }

  async function run(call: ChannelCall, flight: Flight): Promise<void> {
    const { text, idText, method, progressToken, handler } = call
    inFlight += 1
    try {
      const answer = await converse(peers, replicaId, { op: 'call', channelId, idText, method, progressToken, text })
      if (!('messages' in answer)) return flight.end(() => failWith(call, answer))
      flight.began(answer)
      const answers = readAnswers(answer)
      for (let said = await next(answers); said !== undefined; said = await next(answers)) {
        if (said.kind === 'aside') listener.onMessage(said.message)
        else if (flight.isOver()) return
        else if (said.kind === 'message') await flight.pass(said.message, handler)
        else return flight.end(() => end(call, said))
      }
      flight.end(() => handler.onFailure(LOST))
    } finally {
      inFlight -= 1
      closeIdle()
    }
  }
  function end(call: ChannelCall, said: ChannelAnswer): void {
    if (said.kind === 'response') call.handler.onResponse(said.message)
    else failWith(call, said.kind === 'failure' ? said.failure : said.kind === 'elsewhere' ? GONE : LOST)
  }
  /** Before the call is made again: where this one was refused, so is the next. */
  function failWith({ handler }: ChannelCall, failure: ChannelFailure): void {
    if (failure === GONE) lose(MOVED)
    handler.onFailure(failure)
  }

  return {
    hold() {
      const holding = converse(peers, replicaId, { op: 'hold', channelId })
      return () => void holding.then((answer) => 'messages' in answer && answer.cancel())
    },
    async read(answers) {
      let closed: ChannelClosed = { gone: true, detail: LOST.detail, wasIdle: false }
      for (let said = await next(answers); said !== undefined; said = await next(answers)) {
        if ((said.kind === 'message' || said.kind === 'aside') && !isClosed) listener.onMessage(said.message)
        if (said.kind === 'closed') closed = said.closed
      }
      lose(closed)
    },
    channel: {
      era: profile.era,
      transport: 'stdio',
      revision: profile.revision,
      nextId() {
        lastId += 1
        return `"${idPrefix}.${lastId}"`
      },
      send(call) {
        const flight = createFlight()
        if (isClosed) queueMicrotask(() => flight.end(() => call.handler.onFailure(GONE)))
        else void run(call, flight)
        return flight.control
      },
      async notify(text) {
        const answer = isClosed ? GONE : await converse(peers, replicaId, { op: 'notify', channelId, text })
        const said = 'messages' in answer ? await next(readAnswers(answer)) : undefined
        if (said?.kind !== 'accepted') throw new PortolanError('upstream_unavailable', { cause: GONE.detail })
      },
      close() {
        isClosed = true
        close()
        return Promise.resolve()
      },
      get closed() {
        return isClosed
      },
    },
  }
}

function asLegacy({ channel, hold }: Remote, { initializeResult }: OpenedChannel): LegacyChannel {
  return {
    era: 'legacy',
    transport: channel.transport,
    revision: channel.revision as Revision,
    initializeResult,
    nextId: () => channel.nextId(),
    send: (call) => channel.send(call),
    notify: (text) => channel.notify(text),
    openStream: () => Promise.resolve(),
    hold,
    close: () => channel.close(),
    get closed() {
      return channel.closed
    },
  }
}

/** Nothing was done: the next attempt goes to whoever runs it then. */
const GONE: ChannelFailure = { reason: 'session_gone', sent: false, detail: 'another replica runs the server by now', retryAfterSec: 1 }
/** It runs there, and may be asked again. */
const FULL: ChannelFailure = { reason: 'overloaded', sent: false, detail: 'the replica that runs the server has no room for more calls', retryAfterSec: 1 }
/** The link to other replicas bounds one text. */
const TOO_LONG: ChannelFailure = { reason: 'oversized', sent: false, detail: 'a request that is longer than what passes between replicas' }
const MOVED: ChannelClosed = { gone: true, detail: GONE.detail, wasIdle: false }
const LOST: ChannelFailure = { reason: 'closed', sent: true, detail: 'the replica that runs the server was lost' }

/** One call on its way: given up by whoever made it, or ended once. */
interface Flight {
  readonly control: CallControl
  isOver(): boolean
  began(answer: PeerAnswer): void
  /** Resolves when its reader has room for more. */
  pass(message: Message, handler: ChannelCall['handler']): Promise<void>
  end(run: () => void): void
}

function createFlight(): Flight {
  let isOver = false
  let answer: PeerAnswer | undefined
  let resume = (): void => {}
  return {
    control: {
      abort() {
        if (isOver) return
        isOver = true
        answer?.cancel()
        resume()
      },
      resume: () => resume(),
    },
    isOver: () => isOver,
    began(begun) {
      answer = begun
      if (isOver) begun.cancel()
    },
    async pass(message, handler) {
      // Before it is said: the reader may have room again at once.
      const room = new Promise<void>((resolve) => (resume = resolve))
      if (!handler.onMessage(message)) await room
    },
    end(run) {
      if (isOver) return
      isOver = true
      run()
      answer?.cancel()
    },
  }
}

/** What it failed with, where nobody answers. */
async function converse(peers: PeerLink, replicaId: string, request: ChannelRequest): Promise<PeerAnswer | ChannelFailure> {
  try {
    return await peers.send(replicaId, CHANNEL_TOPIC, writeChannelRequest(request))
  } catch (error) {
    const { code, retryAfterSec } = error instanceof PortolanError ? error : {}
    return code === 'upstream_unavailable' ? (retryAfterSec === undefined ? GONE : FULL) : code === 'body_too_large' ? TOO_LONG : LOST
  }
}

async function* readAnswers({ messages }: PeerAnswer): AsyncGenerator<ChannelAnswer> {
  for await (const text of messages) {
    const said = readChannelAnswer(text)
    if (said === undefined) return
    yield said
  }
}

/** Undefined at the end, and where the other replica was lost: what that means is the same. */
async function next(answers: AsyncIterator<ChannelAnswer>): Promise<ChannelAnswer | undefined> {
  try {
    const { done, value } = await answers.next()
    return done === true ? undefined : value
  } catch (error) {
    const isTooLong = error instanceof PortolanError && error.code === 'upstream_oversized'
    return isTooLong ? { kind: 'failure', failure: { reason: 'oversized', sent: true, detail: 'an answer that is longer than what passes between replicas' } } : undefined
  }
}
