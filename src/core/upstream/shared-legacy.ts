/**
 * Legacy sessions that several client sessions use together (design §4, sharing): every user sees the notifications;
 * the server's requests are answered here, because nobody declared a capability for them. Where everybody may share
 * (`share: all`) there is one per owner, revision, capabilities and credentials; elsewhere each opening is its own,
 * because whoever opens it knows whom it is for.
 */
import { asciiJson, member, readString } from '../../protocol/json.ts'
import { parseMessage } from '../../protocol/message.ts'
import { ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Clock } from '../clock.ts'
import type { CallControl, ChannelCall, ChannelListener, LegacyChannel, OpenLegacy } from './channel.ts'
import { withSend } from './counted-channel.ts'
import type { OpenFault } from './legacy-handshake.ts'
import { refuseRequest } from './refuse-request.ts'

export interface SharedLegacy {
  /** With `hurry` it is a probe (see UpstreamLink). */
  open(options: OpenLegacy, hurry?: Promise<unknown>): Promise<Result<LegacyChannel, OpenFault>>
  /** Ends those that nobody uses. */
  closeIdle(): void
  close(): Promise<void>
}

export interface SharedLegacyOptions {
  readonly clock: Clock
  /** How long a session that nobody uses is kept. */
  readonly idleMs: number
  readonly isForAll: boolean
  open(options: OpenLegacy, hurry?: Promise<unknown>): Promise<Result<LegacyChannel, OpenFault>>
}

interface Entry {
  readonly opened: Promise<Result<LegacyChannel, OpenFault>>
  readonly listeners: Set<ChannelListener>
  /** Of each resource, the users that are subscribed to it: the session itself is for all of them. */
  readonly subscribers: Map<string, Set<ChannelListener>>
  channel: LegacyChannel | undefined
  stopIdle: (() => void) | undefined
}

export function createSharedLegacy(options: SharedLegacyOptions): SharedLegacy {
  const { clock, isForAll } = options
  // Nobody can find a session again that is not for all.
  const idleMs = isForAll ? options.idleMs : 0
  const entries = new Map<string, Entry>()
  let count = 0

  function start(key: string, request: OpenLegacy, hurry: Promise<unknown> | undefined): Entry {
    const listeners = new Set<ChannelListener>()
    const listener: ChannelListener = {
      onMessage(message) {
        if (message.kind === 'request') return entry.channel === undefined ? undefined : refuseRequest(entry.channel, message)
        for (const each of listeners) each.onMessage(message)
      },
      onClosed(reason) {
        if (entries.get(key) === entry) entries.delete(key)
        entry.stopIdle?.()
        for (const each of listeners) each.onClosed(reason)
      },
    }
    const entry: Entry = { opened: options.open({ ...request, listener }, hurry), listeners, subscribers: new Map(), channel: undefined, stopIdle: undefined }
    entries.set(key, entry)
    void entry.opened.then((result) => {
      if (result.ok) entry.channel = result.value
      else if (entries.get(key) === entry) entries.delete(key)
    })
    return entry
  }

  return {
    async open(request, hurry) {
      const { ownerKey, revision, capabilities, headers } = request
      count += 1
      const key = isForAll ? JSON.stringify([ownerKey, revision, capabilities, headers]) : String(count)
      const known = entries.get(key)
      const entry = known === undefined || known.channel?.closed === true ? start(key, request, hurry) : known
      entry.listeners.add(request.listener)
      entry.stopIdle?.()
      const result = await entry.opened
      if (!result.ok) return result
      return ok(
        createView(result.value, entry, request.listener, () => {
          entry.listeners.delete(request.listener)
          if (entry.listeners.size > 0) return unsubscribeAll(result.value, entry.subscribers, request.listener)
          entry.subscribers.clear()
          entry.stopIdle = clock.after(idleMs, () => {
            if (entries.get(key) === entry) entries.delete(key)
            void result.value.close()
          })
        }),
      )
    },
    closeIdle() {
      for (const [key, entry] of entries) {
        if (entry.listeners.size > 0) continue
        entries.delete(key)
        entry.stopIdle?.()
        entry.channel?.close().catch(() => undefined)
      }
    },
    async close() {
      const all = [...entries.values()]
      entries.clear()
      await Promise.all(
        all.map(async (entry) => {
          entry.stopIdle?.()
          await entry.channel?.close()
        }),
      )
    },
  }
}

/** One user's hold on a shared session: closing it leaves the others theirs. */
function createView(channel: LegacyChannel, { subscribers }: Entry, user: ChannelListener, onClose: () => void): LegacyChannel {
  let isClosed = false
  return {
    ...withSend(channel, (call) => (SUBSCRIBES.has(call.method) ? subscribe(channel, subscribers, user, call) : channel.send(call))),
    close() {
      if (!isClosed) {
        isClosed = true
        onClose()
      }
      return Promise.resolve()
    },
    get closed() {
      return isClosed || channel.closed
    },
  }
}

const SUBSCRIBES: ReadonlySet<string> = new Set(['resources/subscribe', 'resources/unsubscribe'])
const NO_CONTROL: CallControl = { abort: () => undefined, resume: () => undefined }

/** The first of the users subscribes the session, the last unsubscribes it. */
function subscribe(channel: LegacyChannel, subscribers: Entry['subscribers'], user: ChannelListener, call: ChannelCall): CallControl {
  const scan = parseMessage(call.text)
  const uri = scan.ok ? (readString(scan.value.text, member(scan.value.body, 'uri')) ?? '') : ''
  const users = subscribers.get(uri) ?? new Set()
  if (call.method === 'resources/subscribe') {
    subscribers.set(uri, users.add(user))
    return channel.send(call)
  }
  users.delete(user)
  if (users.size === 0) {
    subscribers.delete(uri)
    return channel.send(call)
  }
  const answer = parseMessage(`{"jsonrpc":"2.0","id":${call.idText},"result":{}}`)
  if (answer.ok) queueMicrotask(() => call.handler.onResponse(answer.value))
  return NO_CONTROL
}

function unsubscribeAll(channel: LegacyChannel, subscribers: Entry['subscribers'], user: ChannelListener): void {
  for (const [uri, users] of subscribers) {
    if (!users.delete(user) || users.size > 0) continue
    subscribers.delete(uri)
    if (channel.closed) continue
    const idText = channel.nextId()
    const text = `{"jsonrpc":"2.0","id":${idText},"method":"resources/unsubscribe","params":{"uri":${asciiJson(uri)}}}`
    channel.send({ text, idText, method: 'resources/unsubscribe', progressToken: '', headers: [], handler: { onMessage: () => true, onResponse: () => undefined, onFailure: () => undefined } })
  }
}
