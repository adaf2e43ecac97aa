/**
 * Legacy sessions that several client sessions use together (design §4, sharing): opened once per owner, capabilities
 * and credentials; every user sees the notifications; the server's requests are answered here, because nobody declared
 * a capability for them.
 */
import { asciiJson } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { ok } from '../../protocol/result.ts'
import type { Result } from '../../protocol/result.ts'
import type { Clock } from '../clock.ts'
import type { ChannelListener, LegacyChannel, OpenLegacy } from './channel.ts'
import type { OpenFault } from './legacy-handshake.ts'

export interface SharedLegacy {
  open(options: OpenLegacy): Promise<Result<LegacyChannel, OpenFault>>
  close(): Promise<void>
}

export interface SharedLegacyOptions {
  readonly clock: Clock
  /** How long a session that nobody uses is kept. */
  readonly idleMs: number
  open(options: OpenLegacy): Promise<Result<LegacyChannel, OpenFault>>
}

interface Entry {
  readonly opened: Promise<Result<LegacyChannel, OpenFault>>
  readonly listeners: Set<ChannelListener>
  channel: LegacyChannel | undefined
  stopIdle: (() => void) | undefined
}

export function createSharedLegacy(options: SharedLegacyOptions): SharedLegacy {
  const { clock, idleMs } = options
  const entries = new Map<string, Entry>()

  function start(key: string, request: OpenLegacy): Entry {
    const listeners = new Set<ChannelListener>()
    const listener: ChannelListener = {
      onMessage(message) {
        if (message.kind === 'request') return answer(entry.channel, message)
        for (const each of listeners) each.onMessage(message)
      },
      onClosed(reason) {
        if (entries.get(key) === entry) entries.delete(key)
        entry.stopIdle?.()
        for (const each of listeners) each.onClosed(reason)
      },
    }
    const entry: Entry = { opened: options.open({ ...request, listener }), listeners, channel: undefined, stopIdle: undefined }
    entries.set(key, entry)
    void entry.opened.then((result) => {
      if (result.ok) entry.channel = result.value
      else if (entries.get(key) === entry) entries.delete(key)
    })
    return entry
  }

  return {
    async open(request) {
      const { ownerKey, revision, capabilities, headers } = request
      const key = JSON.stringify([ownerKey, revision, capabilities, headers])
      const known = entries.get(key)
      const entry = known === undefined || known.channel?.closed === true ? start(key, request) : known
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

function answer(channel: LegacyChannel | undefined, request: Message): void {
  const outcome =
    request.method === 'ping' ? '"result":{}' : `"error":${asciiJson({ code: -32601, message: 'Method not found' })}`
  channel?.notify(`{"jsonrpc":"2.0","id":${request.idText},${outcome}}`).catch(() => undefined)
}
