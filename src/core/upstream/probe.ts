/**
 * Which eras a server speaks. Both are asked for: `server/discover` says nothing about legacy revisions, `initialize`
 * nothing about modern ones. The verdict on the modern era follows S26 basic/versioning, Backward Compatibility: a
 * result or a recognized modern error is modern, any other answer is legacy, and trouble (401, 403, 5xx, nobody there)
 * is no verdict at all.
 */
import { HEADER } from '../../protocol/header.ts'
import { member, readJson, readString } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { ownRequestMeta } from '../../protocol/modern/request-meta.ts'
import type { Result } from '../../protocol/result.ts'
import { LATEST_MODERN, eraOf, pickModern } from '../../protocol/revision.ts'
import type { ModernRevision } from '../../protocol/revision.ts'
import type { Clock } from '../clock.ts'
import type { Channel } from './channel.ts'
import { errorMessage } from './legacy-handshake.ts'
import type { OpenFault } from './legacy-handshake.ts'
import { requestOnce } from './request-once.ts'
import type { EraProfile, UpstreamProfile } from './upstream.ts'

/** Portolan, as upstream servers see it in probes. */
export interface SelfInfo {
  readonly name: string
  readonly version: string
}

export type ModernVerdict =
  | { readonly verdict: 'modern'; readonly profile: EraProfile }
  /** It answered like a legacy server, or not at all over stdio. */
  | { readonly verdict: 'absent'; readonly detail: string }
  /** Nothing is known: do not remember this. */
  | { readonly verdict: 'unknown'; readonly detail: string; readonly retryAfterSec?: number }

export interface ProbeModernOptions {
  readonly channel: Pick<Channel, 'send' | 'nextId' | 'transport'>
  readonly clock: Clock
  readonly self: SelfInfo
  readonly timeoutMs: number
  /** Once this has settled, silence is borne for `hurryMs` only. */
  readonly hurry?: Promise<unknown>
  readonly hurryMs?: number
}

/** -32020 HeaderMismatch, -32021 MissingRequiredClientCapability, -32022 UnsupportedProtocolVersion. */
const MODERN_ERRORS: ReadonlySet<unknown> = new Set([-32020, -32021, -32022])

/** Asks `server/discover`, once more with another revision where the server names one that we speak. Never rejects. */
export async function probeModern(options: ProbeModernOptions): Promise<ModernVerdict> {
  const first = await discover(options, LATEST_MODERN)
  if (!('supported' in first)) return first
  const other = pickModern(first.supported)
  if (other === undefined || other === LATEST_MODERN) {
    return { verdict: 'unknown', detail: `no revision in common: the server speaks ${first.supported.join(', ').slice(0, 200)}` }
  }
  const second = await discover(options, other)
  return 'supported' in second ? { verdict: 'unknown', detail: 'the server contradicts itself about its revisions' } : second
}

type Discovery = ModernVerdict | { readonly supported: readonly string[] }

async function discover(options: ProbeModernOptions, revision: ModernRevision): Promise<Discovery> {
  const { channel, clock, self, timeoutMs, hurry, hurryMs } = options
  const idText = channel.nextId()
  const method = 'server/discover'
  const answer = await requestOnce(channel, clock, {
    text: discoverText(idText, revision, self),
    idText,
    method,
    headers: [
      [HEADER.protocolVersion, revision],
      [HEADER.method, method],
    ],
    timeoutMs,
    ...(hurry === undefined || hurryMs === undefined ? {} : { hurry, hurryMs }),
  })
  if (answer.ok) return answer.message.kind === 'result' ? readDiscovery(answer.message, revision) : readError(answer.message)
  const { reason, status, detail } = answer.failure
  const isTrouble = status === 401 || status === 403 || (status !== undefined && status >= 500) || reason === 'overloaded'
  if (isTrouble || reason === 'unreachable' || reason === 'oversized') return { verdict: 'unknown', detail: `${method}: ${detail}` }
  // A legacy stdio server may stay silent or exit on a request before `initialize` (S26 transports/stdio).
  if (channel.transport === 'stdio' || status !== undefined) return { verdict: 'absent', detail: `${method}: ${detail}` }
  return { verdict: 'unknown', detail: `${method}: ${detail}` }
}

function discoverText(idText: IdText, revision: ModernRevision, self: SelfInfo): WireText {
  const meta = ownRequestMeta(revision, { name: self.name, version: self.version })
  return `{"jsonrpc":"2.0","id":${idText},"method":"server/discover","params":{"_meta":${meta}}}`
}

function readDiscovery(message: Message, asked: ModernRevision): Discovery {
  const { text, body } = message
  const versions = member(body, 'supportedVersions')
  const capabilities = member(body, 'capabilities')
  if (versions?.kind !== 'array' || capabilities?.kind !== 'object') {
    return { verdict: 'absent', detail: 'server/discover: the result is no DiscoverResult' }
  }
  const supported = strings(readJson(text, versions))
  const revision = pickModern(supported)
  if (revision === undefined) return { supported }
  const info = member(member(body, '_meta'), 'io.modelcontextprotocol/serverInfo') ?? member(body, 'serverInfo')
  return {
    verdict: 'modern',
    profile: {
      era: eraOf(revision),
      revision: supported.includes(asked) ? asked : revision,
      capabilities: text.slice(capabilities.start, capabilities.end),
      serverInfo: info === undefined ? '' : text.slice(info.start, info.end),
      instructions: readString(text, member(body, 'instructions')) ?? '',
    },
  }
}

function readError(message: Message): Discovery {
  const code = member(message.body, 'code')
  if (!MODERN_ERRORS.has(code === undefined ? undefined : readJson(message.text, code))) {
    return { verdict: 'absent', detail: `server/discover: ${errorMessage(message)}` }
  }
  const data = member(message.body, 'data')
  const supported = member(data, 'supported')
  if (supported?.kind === 'array') return { supported: strings(readJson(message.text, supported)) }
  return { verdict: 'unknown', detail: `a modern server refused server/discover: ${errorMessage(message)}` }
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : []
}

export interface ProbeResult {
  readonly profile: UpstreamProfile
  /** False: one era could not be asked; ask again soon. */
  readonly isSettled: boolean
}

/** A failure says for people why no era is known. */
export type ProbeVerdict = Result<ProbeResult, { readonly detail: string; readonly retryAfterSec: number | undefined }>

/** Puts the two verdicts together. */
export function concludeProbe(
  modern: ModernVerdict | undefined,
  legacy: Result<EraProfile, OpenFault> | undefined,
): ProbeVerdict {
  const profile: UpstreamProfile = {
    modern: modern?.verdict === 'modern' ? modern.profile : undefined,
    legacy: legacy?.ok === true ? legacy.value : undefined,
  }
  const isModernOpen = modern?.verdict === 'unknown'
  const isLegacyOpen = legacy?.ok === false && legacy.fault.reason !== 'refused'
  if (profile.modern !== undefined || profile.legacy !== undefined) {
    return { ok: true, value: { profile, isSettled: !isModernOpen && !isLegacyOpen } }
  }
  const details = [
    ...(legacy?.ok === false ? [legacy.fault.detail] : []),
    ...(modern !== undefined && modern.verdict !== 'modern' ? [modern.detail] : []),
  ]
  const retryAfterSec = (legacy?.ok === false ? legacy.fault.retryAfterSec : undefined) ?? (modern?.verdict === 'unknown' ? modern.retryAfterSec : undefined)
  return { ok: false, fault: { detail: saidOnce(details), retryAfterSec } }
}

/** What both questions met with is said once, without the questions: no such command, nobody there. */
function saidOnce(details: readonly string[]): string {
  const reasons = new Set(details.map((detail) => detail.replace(/^(?:initialize|server\/discover): /, '')))
  return [...(reasons.size === 1 ? reasons : new Set(details))].join('; ')
}
