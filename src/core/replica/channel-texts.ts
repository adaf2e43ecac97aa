/**
 * The texts between a replica that uses a server's child and the one that runs it. A request is a line of JSON, then the
 * message as it goes to the child; the first character of an answer says what it is.
 */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { parseMessage } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import type { Revision } from '../../protocol/revision.ts'
import { FORMATS, isRead } from '../format.ts'
import type { ChannelFailure } from '../upstream/channel.ts'
import type { OpenFault } from '../upstream/legacy-handshake.ts'
import type { EraProfile } from '../upstream/upstream.ts'

export const CHANNEL_TOPIC = 'channel'

/** Of `initialize`, for a child of the legacy era. */
export interface LegacyTerms {
  readonly clientInfo: WireText
  readonly capabilities: WireText
  readonly revision: Revision
  readonly ownerKey: string
  readonly shared: boolean
}

export type ChannelRequest =
  /** Stands for as long as its answer does. `legacy` undefined: the modern child. */
  | { readonly op: 'open'; readonly upstreamId: string; readonly legacy: LegacyTerms | undefined }
  | { readonly op: 'call'; readonly channelId: string; readonly idText: IdText; readonly method: string; readonly progressToken: string; readonly text: WireText }
  | { readonly op: 'notify'; readonly channelId: string; readonly text: WireText }
  /** The child is in use for as long as the answer stands. */
  | { readonly op: 'hold'; readonly channelId: string }

export interface OpenedChannel {
  readonly channelId: string
  /** Ids of requests begin with it: others use the same child. */
  readonly idPrefix: string
  readonly profile: EraProfile
  /** '' for a modern one. */
  readonly initializeResult: WireText
}

export interface ChannelClosed {
  readonly gone: boolean
  readonly detail: string
  readonly wasIdle: boolean
}

export type ChannelAnswer =
  | { readonly kind: 'opened'; readonly opened: OpenedChannel }
  | { readonly kind: 'fault'; readonly fault: OpenFault }
  /** It does not run here, and nothing was done. */
  | { readonly kind: 'elsewhere' }
  | { readonly kind: 'message'; readonly message: Message }
  /** It came outside any call, while this one was in flight: in order with what the call brings. Where that was given up, outside any call. */
  | { readonly kind: 'aside'; readonly message: Message }
  | { readonly kind: 'response'; readonly message: Message }
  | { readonly kind: 'failure'; readonly failure: ChannelFailure }
  | { readonly kind: 'closed'; readonly closed: ChannelClosed }
  | { readonly kind: 'accepted' }

export function writeChannelRequest(request: ChannelRequest): WireText {
  const { text, ...head } = 'text' in request ? request : { ...request, text: '' }
  return `${asciiJson({ format: FORMATS.channel.writes, ...head })}\n${text}`
}

/** Undefined for what is of another format, or malformed. What it holds was sealed by a replica with the same keys. */
export function readChannelRequest(text: WireText): ChannelRequest | undefined {
  const at = text.indexOf('\n')
  const head = at < 0 ? undefined : parsed(text.slice(0, at))
  if (!isJsonObject(head) || !isRead(FORMATS.channel, head['format'])) return undefined
  const { op, upstreamId, legacy, channelId, idText, method, progressToken } = head
  if (op === 'open' && typeof upstreamId === 'string') {
    if (legacy === undefined) return { op, upstreamId, legacy }
    const terms = readTerms(legacy)
    return terms === undefined ? undefined : { op, upstreamId, legacy: terms }
  }
  if (typeof channelId !== 'string') return undefined
  if (op === 'hold') return { op, channelId }
  if (op === 'notify') return { op, channelId, text: text.slice(at + 1) }
  if (op !== 'call' || typeof idText !== 'string' || typeof method !== 'string' || typeof progressToken !== 'string') return undefined
  return { op, channelId, idText, method, progressToken, text: text.slice(at + 1) }
}

function readTerms(value: unknown): LegacyTerms | undefined {
  if (!isJsonObject(value)) return undefined
  const { clientInfo, capabilities, revision, ownerKey, shared } = value
  if (typeof clientInfo !== 'string' || typeof capabilities !== 'string' || typeof revision !== 'string') return undefined
  return typeof ownerKey === 'string' && typeof shared === 'boolean' ? { clientInfo, capabilities, revision: revision as Revision, ownerKey, shared } : undefined
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const SIGN = { opened: 'o', fault: 'f', elsewhere: 'e', message: 'm', aside: 'a', response: 'r', failure: 'x', closed: 'c', accepted: 'k' } as const satisfies Record<ChannelAnswer['kind'], string>

export function writeChannelAnswer(answer: ChannelAnswer): WireText {
  const sign = SIGN[answer.kind]
  switch (answer.kind) {
    case 'message':
    case 'aside':
    case 'response':
      return sign + answer.message.text
    case 'opened':
      return sign + asciiJson({ ...answer.opened, profile: { ...answer.opened.profile } })
    case 'fault':
      return sign + asciiJson({ ...answer.fault })
    case 'failure':
      return sign + asciiJson({ ...answer.failure })
    case 'closed':
      return sign + asciiJson({ ...answer.closed })
    default:
      return sign
  }
}

/** Of an answer as it is written. */
export function isAside(text: WireText): boolean {
  return text[0] === SIGN.aside
}

/** Undefined for what is none: a reader breaks off. */
export function readChannelAnswer(text: WireText): ChannelAnswer | undefined {
  const content = text.slice(1)
  switch (text[0]) {
    case SIGN.message:
    case SIGN.aside:
    case SIGN.response: {
      const scan = parseMessage(content)
      const kind = text[0] === SIGN.response ? 'response' : text[0] === SIGN.aside ? 'aside' : 'message'
      return scan.ok ? { kind, message: scan.value } : undefined
    }
    case SIGN.elsewhere:
      return { kind: 'elsewhere' }
    case SIGN.accepted:
      return { kind: 'accepted' }
    default:
      return readObject(text[0], parsed(content))
  }
}

/** Written by a replica of the same format: who else could have sealed it. */
function readObject(sign: string | undefined, value: unknown): ChannelAnswer | undefined {
  if (!isJsonObject(value)) return undefined
  switch (sign) {
    case SIGN.opened:
      return { kind: 'opened', opened: value as unknown as OpenedChannel }
    case SIGN.fault:
      return { kind: 'fault', fault: value as unknown as OpenFault }
    case SIGN.failure:
      return { kind: 'failure', failure: value as unknown as ChannelFailure }
    case SIGN.closed:
      return { kind: 'closed', closed: value as unknown as ChannelClosed }
    default:
      return undefined
  }
}
