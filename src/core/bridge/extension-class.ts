/**
 * Clients by the extensions that they declare (decision 0010). A server may show other tools to who declares one, so lists and
 * shared sessions are the same only for clients of one class. Nobody may invent classes without end: each costs a session.
 */

import { relayedExtensions } from '../../protocol/extension.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { asciiJson, member, utf8Of } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import type { Clock } from '../clock.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { Upstream } from '../upstream/upstream.ts'
import { canonicalJson } from './canonical-json.ts'

/** `extensions` as wire text, the same for equal ones; '' for none. */
export type ExtensionClass = WireText

export interface ExtensionClasses {
  /** The class as which a client is served at a server: its own, or '' where there are too many. */
  at(upstream: Upstream, declared: ExtensionClass): ExtensionClass
}

/** Beyond, nothing is declared for the client: settings of extensions are small. */
const MAX_CLASS_BYTES = 4_096
const MAX_CLASSES = 4
/** So long unused, a class gives way to another. */
const UNUSED_MS = 10 * 60_000

export function createExtensionClasses(clock: Clock, childrenPerUpstream: () => number): ExtensionClasses {
  const used = new WeakMap<Upstream, Map<ExtensionClass, number>>()
  // Each class may need a child of its own: half of them stay for clients that declare none, or input.
  const room = ({ config }: Upstream): number => (config.target.transport === 'http' ? MAX_CLASSES : Math.min(MAX_CLASSES, Math.floor(childrenPerUpstream() / 2)))
  return {
    at(upstream, declared) {
      if (declared === '') return ''
      const classes = used.get(upstream) ?? new Map<ExtensionClass, number>()
      used.set(upstream, classes)
      const nowTicks = clock.ticksMs()
      if (!classes.has(declared) && classes.size >= room(upstream)) {
        const stale = [...classes].find(([, ticks]) => nowTicks - ticks >= UNUSED_MS)
        if (stale === undefined) return ''
        classes.delete(stale[0])
      }
      classes.set(declared, nowTicks)
      return declared
    },
  }
}

const MAX_READ = 256
/** By the text of the capabilities: a client writes the same one into each of its requests. */
const read = new Map<WireText, ExtensionClass>()

/** Of a modern request. */
export function classOfRequest(message: Message | undefined): ExtensionClass {
  const node = member(member(message?.body, '_meta'), META.clientCapabilities)
  // `{}`: the usual case costs nothing.
  if (message === undefined || node === undefined || node.end - node.start === 2) return ''
  const text = message.text.slice(node.start, node.end)
  const known = read.get(text)
  if (known !== undefined) return known
  const found = text.includes('"extensions"') ? classOf(JSON.parse(utf8Of(text))) : ''
  if (read.size >= MAX_READ) read.clear()
  if (text.length <= 2 * MAX_CLASS_BYTES) read.set(text, found)
  return found
}

const ofSession = new WeakMap<LiveSession, ExtensionClass>()

/** Of a legacy session. */
export function classOfSession(session: LiveSession): ExtensionClass {
  const known = ofSession.get(session)
  if (known !== undefined) return known
  const found = classOf(JSON.parse(session.data.clientCapabilities))
  ofSession.set(session, found)
  return found
}

function classOf(capabilities: unknown): ExtensionClass {
  const relayed = isJsonObject(capabilities) ? relayedExtensions(capabilities) : undefined
  if (relayed === undefined) return ''
  const text = asciiJson(JSON.parse(canonicalJson(relayed)))
  return text.length > MAX_CLASS_BYTES ? '' : text
}

/** Capabilities that declare this and nothing else, as wire text. */
export function declaring(extensions: ExtensionClass): WireText {
  return extensions === '' ? '{}' : `{"extensions":${extensions}}`
}
