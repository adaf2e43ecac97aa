/**
 * Legacy sessions that several client sessions use together (design §4, sharing): every user sees the notifications;
 * the server's requests are answered here, because nobody declared a capability for them. Where everybody may share
 * (`share: all`) there is one per owner, revision, capabilities and credentials; elsewhere each opening is its own,
 * because whoever opens it knows whom it is for.
 */
import { ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Clock } from '../clock.ts'
import type { ChannelListener, LegacyChannel, OpenLegacy } from './channel.ts'
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
    const entry: Entry = { opened: options.open({ ...request, listener }, hurry), listeners, channel: undefined, stopIdle: undefined }
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
        createView(result.value, () => {
          entry.listeners.delete(request.listener)
          if (entry.listeners.size > 0) return
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
function createView(channel: LegacyChannel, onClose: () => void): LegacyChannel {
  let isClosed = false
  return {
    era: 'legacy',
    transport: channel.transport,
    revision: channel.revision,
    initializeResult: channel.initializeResult,
    nextId: () => channel.nextId(),
    send: (call) => channel.send(call),
    notify: (text, headers) => channel.notify(text, headers),
    openStream: () => channel.openStream(),
    ...(channel.hold === undefined ? {} : { hold: channel.hold }),
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
