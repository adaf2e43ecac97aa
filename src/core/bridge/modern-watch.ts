/**
 * One `subscriptions/listen` at a modern upstream for everybody here. Its filter cannot change while it is open: a new
 * listen is opened, its acknowledgement awaited, then the old one closed; what both say in between is said once.
 */

import { asciiJson, member, readJson, readString } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import type { Clock } from '../clock.ts'
import type { CallControl } from '../upstream/channel.ts'
import { ownRequestText } from '../upstream/request.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { createOverlap } from './overlap.ts'
import type { UpstreamWatch } from './watches.ts'

export interface ModernWatchDeps {
  readonly clock: Clock
  readonly self: { readonly name: string; readonly version: string }
  readonly upstream: Upstream
  readonly announce: (message: Message) => void
  /** It broke, or was not heard at first, and listens now: what happened meanwhile is not known. */
  readonly onMissed: () => void
}

interface Listen {
  readonly control: CallControl
  readonly uris: ReadonlySet<string>
  /** The URIs the upstream agreed to; undefined where it refused the listen. */
  readonly acknowledged: Promise<ReadonlySet<string> | undefined>
}

/** How long a replaced listen still counts: what it already sent may be on its way. */
const OVERLAP_MS = 250
const FIRST_RETRY_MS = 1_000
const MAX_RETRY_MS = 30_000
/** One that stood for so long did not fail at once: its successor is opened soon. */
const STABLE_MS = 10_000
const ACK_TIMEOUT_MS = 5_000

export function createModernWatch(deps: ModernWatchDeps): UpstreamWatch {
  const { clock, self, upstream } = deps
  let current: Promise<Listen> | undefined
  let wanted: ReadonlySet<string> = new Set()
  let closed = false
  let isBroken = false
  /** In a row. */
  let failures = 0
  const overlap = createOverlap()

  const announceOnce = (listen: object, message: Message): void => {
    const uri = readString(message.text, member(message.body, 'uri')) ?? ''
    if (overlap.isNews(listen, `${message.method} ${uri}`)) deps.announce(message)
  }

  const retry = (): void => {
    const delayMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10))
    failures += 1
    clock.after(delayMs, () => void (current === undefined && relisten()))
  }

  const open = async (uris: ReadonlySet<string>): Promise<Listen> => {
    const channel = await upstream.modern()
    const idText = channel.nextId()
    const filter = {
      toolsListChanged: true,
      promptsListChanged: true,
      resourcesListChanged: true,
      ...(uris.size > 0 ? { resourceSubscriptions: [...uris] } : {}),
    }
    let acknowledge: (uris: ReadonlySet<string> | undefined) => void = () => {}
    const acknowledged = new Promise<ReadonlySet<string> | undefined>((resolve) => (acknowledge = resolve))
    const cancelTimeout = clock.after(ACK_TIMEOUT_MS, () => acknowledge(undefined))
    let stoodAtTicks = Number.POSITIVE_INFINITY
    const lost = (): void => {
      acknowledge(undefined)
      cancelTimeout()
      if (closed) return
      isBroken = true
      void current?.then((listen) => {
        if (listen.control !== control) return
        current = undefined
        if (clock.ticksMs() - stoodAtTicks >= STABLE_MS) failures = 0
        retry()
      })
    }
    const control: CallControl = channel.send({
      text: ownRequestText(channel, idText, 'subscriptions/listen', { notifications: asciiJson(filter) }, self),
      idText,
      method: 'subscriptions/listen',
      progressToken: '',
      headers: [['mcp-method', 'subscriptions/listen']],
      handler: {
        onMessage(message) {
          if (message.method !== 'notifications/subscriptions/acknowledged') announceOnce(acknowledged, message)
          else {
            cancelTimeout()
            overlap.restart()
            stoodAtTicks = clock.ticksMs()
            acknowledge(acknowledgedUris(message))
            if (isBroken) deps.onMissed()
            isBroken = false
          }
          return true
        },
        onResponse: lost,
        onFailure: lost,
      },
    })
    return { control, uris, acknowledged }
  }

  const relisten = async (): Promise<void> => {
    if (closed) return
    const before = current
    const opening = open(wanted)
    current = opening
    opening.catch(() => {
      isBroken = true
      if (current === opening) current = undefined
      if (!closed) retry()
    })
    const old = await before?.catch(() => undefined)
    if (old === undefined) return
    overlap.begin()
    const honoured = await opening.then((listen) => listen.acknowledged).catch(() => undefined)
    isBroken ||= honoured === undefined
    clock.after(OVERLAP_MS, () => {
      overlap.end()
      old.control.abort('replaced')
    })
  }

  return {
    async sync(uris, uri) {
      const same = uris.size === wanted.size && [...uris].every((one) => wanted.has(one))
      wanted = uris
      if (current === undefined || !same) void relisten()
      const listen = await current
      const honoured = await listen?.acknowledged
      return honoured !== undefined && (uri === undefined || honoured.has(uri))
    },
    close() {
      closed = true
      void current?.then((listen) => listen.control.abort('no longer needed')).catch(() => undefined)
    },
  }
}

function acknowledgedUris(message: Message): ReadonlySet<string> {
  const uris = member(member(message.body, 'notifications'), 'resourceSubscriptions')
  const value = uris === undefined ? [] : readJson(message.text, uris)
  return new Set(Array.isArray(value) ? value.filter((uri) => typeof uri === 'string') : [])
}
