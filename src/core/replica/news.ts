/**
 * What one replica hears of a server reaches all replicas, once. Each keeps a numbered list of what it heard; the others ask for
 * what they do not have.
 */

import { isJsonObject } from '../../protocol/json-value.ts'
import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import { followPeers } from './follow-peers.ts'
import type { FollowPeersDeps } from './follow-peers.ts'

export interface NewsItem {
  readonly upstreamId: string
  readonly era: Era
  /** No other replica hears it of the server by itself; undefined from a replica that does not say. */
  readonly isOnly: boolean | undefined
  /** The server's notification. */
  readonly text: WireText
}

export interface News {
  /** This replica heard it of a server. */
  heard(item: NewsItem): void
  close(): void
}

export interface NewsDeps extends FollowPeersDeps {
  readonly onNews: (item: NewsItem) => void
  /** So much happened that some of it was forgotten before it was asked for: everything may have changed. */
  readonly onMissed: () => void
}

const TOPIC = 'news'
/** Together within this time is one hint. */
const GATHER_MS = 20
const KEPT_ITEMS = 1_000
const KEPT_CHARS = 1024 * 1024

/** `seen` undefined: only what the newest is. */
interface Asked {
  readonly seen: number | undefined
}

export function startNews(deps: NewsDeps): News {
  const { peers, onNews, onMissed } = deps
  const own = createNewsList()
  /** Of each replica, the newest that was taken. */
  const seen = new Map<string, number>()
  let isClosed = false

  const following = followPeers(deps, {
    topic: TOPIC,
    async take(replicaId, isFirstLook) {
      const known = seen.get(replicaId) ?? (isFirstLook ? undefined : 0)
      const answer = await peers.send(replicaId, TOPIC, asciiJson({ seen: known }))
      for await (const text of answer.messages) {
        const told = readTold(text)
        if (told === undefined || isClosed) return answer.cancel()
        if (told.item !== undefined) onNews(told.item)
        else if (told.isMissed) onMissed()
        seen.set(replicaId, told.number)
      }
    },
    onLive(ids) {
      for (const id of seen.keys()) if (!ids.has(id)) seen.delete(id)
    },
    newest: () => own.newest(),
  })
  const stopServing = peers.serve(TOPIC, async function* (text) {
    yield* own.after(readAsked(text).seen)
  })

  return {
    heard(item) {
      own.add(item)
      following.tell(GATHER_MS)
    },
    close() {
      isClosed = true
      following.close()
      stopServing()
    },
  }
}

interface NewsList {
  add(item: NewsItem): void
  newest(): number
  after(seen: number | undefined): Generator<WireText>
}

function createNewsList(): NewsList {
  const kept: { readonly number: number; readonly item: NewsItem }[] = []
  let newest = 0
  let chars = 0
  return {
    add(item) {
      newest += 1
      chars += item.text.length
      kept.push({ number: newest, item })
      while (kept.length > KEPT_ITEMS || (chars > KEPT_CHARS && kept.length > 1)) chars -= kept.shift()?.item.text.length ?? 0
    },
    newest: () => newest,
    *after(seen) {
      const oldest = kept[0]?.number ?? newest + 1
      if (seen === undefined || seen + 1 < oldest) yield asciiJson({ number: newest, isMissed: seen !== undefined })
      else for (const { number, item } of kept.filter((one) => one.number > seen)) yield `${asciiJson({ number, upstreamId: item.upstreamId, era: item.era, isOnly: item.isOnly })}\n${item.text}`
    },
  }
}

function readAsked(text: WireText): Asked {
  const value: unknown = JSON.parse(text)
  const seen = isJsonObject(value) ? value['seen'] : undefined
  return { seen: typeof seen === 'number' ? seen : undefined }
}

interface Told {
  readonly number: number
  readonly isMissed: boolean
  readonly item: NewsItem | undefined
}

function readTold(text: WireText): Told | undefined {
  const at = text.indexOf('\n')
  const value: unknown = JSON.parse(at < 0 ? text : text.slice(0, at))
  if (!isJsonObject(value) || typeof value['number'] !== 'number') return undefined
  const { number, upstreamId, era, isOnly } = value
  if (at < 0) return { number, isMissed: value['isMissed'] === true, item: undefined }
  // A later version tells of more: what is not understood may have been anything, and must not hold up what comes after it.
  if (typeof upstreamId !== 'string' || (era !== 'legacy' && era !== 'modern')) return { number, isMissed: true, item: undefined }
  return { number, isMissed: false, item: { upstreamId, era, isOnly: typeof isOnly === 'boolean' ? isOnly : undefined, text: text.slice(at + 1) } }
}
