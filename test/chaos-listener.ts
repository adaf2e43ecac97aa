/**
 * Legacy clients that listen all the while, as official ones do, under the faults of chaos-run.ts; and the oracle of what they must hear: each
 * announcement, or later that what they listen to may have changed.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { WATCHED, PATH, connect } from './chaos.ts'
import type { Tally, Work } from './chaos.ts'
import type { Actor } from './fixtures/upstream/actor.ts'
import { getRequest } from './mcp-client.ts'

const UPDATED = 'notifications/resources/updated'
const PAUSE_MS = 250
const LOOK_MS = 10
/** From the last announcement until the last client has heard of it: the way from the server stands some time after the stream. */
const LATE_MS = 20_000

interface Heard {
  readonly uri: string
  readonly atMs: number
}

interface Span {
  readonly fromMs: number
  /** Undefined while it stands. */
  toMs: number | undefined
  /** What its first event was asked for by; '' for a new one. */
  readonly afterId: string
}

export interface Listener {
  readonly name: string
  readonly heard: readonly Heard[]
  /** Its streams, one after the other. */
  readonly streams: readonly Span[]
  /** When its first one stood: Infinity before. What was announced before that it need not hear. */
  readonly sinceMs: number
  /** Resolves when it has gone. */
  readonly done: Promise<void>
}

/** Has a GET stream until `isOver`, and opens it anew with the last event that it got whenever it ends. */
export function startListener(name: string, session: string, work: Work, isOver: () => boolean): Listener {
  const heard: Heard[] = []
  const streams: Span[] = []
  const listen = async (lastId: string): Promise<string> => {
    const headers = { authorization: `Bearer ${work.cluster.token}`, ...(lastId === '' ? {} : { 'last-event-id': lastId }) }
    const stream = await connect(work, getRequest(session, headers, PATH))
    if (stream?.status !== 200) return stream?.drop(), lastId
    const span: Span = { fromMs: performance.now(), toMs: undefined, afterId: lastId }
    streams.push(span)
    let seen = 0
    while (!isOver()) {
      const messages = stream.messages()
      for (const { method, params } of messages.slice(seen)) if (method === UPDATED) heard.push({ uri: String((params as { uri: string }).uri), atMs: performance.now() })
      seen = messages.length
      if (stream.ended) break
      await sleep(LOOK_MS)
    }
    span.toMs = performance.now()
    stream.drop()
    return stream.events.findLast(({ id }) => id !== '')?.id ?? lastId
  }
  const run = async (): Promise<void> => {
    for (let lastId = ''; !isOver(); ) {
      lastId = await listen(lastId)
      await sleep(50)
    }
  }
  const done = run()
  return {
    name,
    heard,
    streams,
    get sinceMs() {
      return streams[0]?.fromMs ?? Number.POSITIVE_INFINITY
    },
    done,
  }
}

export interface Announcer {
  /** Stops; resolves when all have heard, or it took too long: then it is in `tally.wrong`. */
  judge(tally: Tally, listeners: readonly Listener[]): Promise<void>
}

/** Four announcements a second, each of a resource of its own below the one that is watched. */
export function startAnnouncer(actor: Actor): Announcer {
  const announced: Heard[] = []
  const timer = setInterval(() => {
    const uri = `${WATCHED}/${announced.length}`
    announced.push({ uri, atMs: performance.now() })
    actor.announce(UPDATED, { uri })
  }, PAUSE_MS)
  const missedBy = ({ heard, sinceMs }: Listener): Heard[] => {
    const uris = new Set(heard.map(({ uri }) => uri))
    // Told when its session has moved, that covers all that was announced before.
    const coveredMs = Math.max(sinceMs, ...heard.filter(({ uri }) => uri === WATCHED).map(({ atMs }) => atMs))
    return announced.filter(({ uri, atMs }) => !uris.has(uri) && atMs >= coveredMs)
  }
  return {
    async judge(tally, listeners) {
      clearInterval(timer)
      const endMs = performance.now() + LATE_MS
      while (listeners.some((one) => missedBy(one).length > 0) && performance.now() < endMs) await sleep(50)
      for (const one of listeners) {
        const missed = missedBy(one)
        if (missed.length > 0) tally.wrong.push(`${one.name} was never told of what was announced at ${missed.map(({ atMs }) => Math.round(atMs)).join(' ')}: ${timesOf(one)}`)
        tally.news.told += new Set(one.heard.map(({ uri }) => uri)).size
        tally.news.twice += one.heard.filter(({ uri }, at) => uri !== WATCHED && one.heard.findIndex((other) => other.uri === uri) < at).length
        tally.news.mayHaveChanged += one.heard.filter(({ uri }) => uri === WATCHED).length
        tally.news.announced += announced.length
      }
    },
  }
}

function timesOf({ heard, streams }: Listener): string {
  const spans = streams.map(({ fromMs, toMs, afterId }) => `${Math.round(fromMs)}-${toMs === undefined ? '' : Math.round(toMs)} after "${afterId}"`)
  const mayHave = heard.filter(({ uri }) => uri === WATCHED).map(({ atMs }) => Math.round(atMs))
  return `its streams stood at ${spans.join(', ')}; all may have changed at ${mayHave.join(' ')}`
}
