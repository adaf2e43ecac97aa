/** For whom something is done: enough of a client to choose its source, filter its lists and name its capabilities. */

import { asciiJson, member, readJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { mirrorCapabilities, declaredInput, capabilityClass, inputAsCapabilities, inputKnownTo } from '../../protocol/capability.ts'
import { relayedExtensions } from '../../protocol/extension.ts'
import type { ClientCapabilities, InputCapability } from '../../protocol/capability.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { LATEST_LEGACY, LATEST_MODERN } from '../../protocol/revision.ts'
import type { Principal } from '../auth/principal.ts'
import type { LiveSession } from '../session/live-session.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { Exchange } from '../gateway/exchange.ts'
import type { TaskOrigin } from '../task/stored-task.ts'
import type { Channel } from '../upstream/channel.ts'
import type { Upstream, UpstreamProfile } from '../upstream/upstream.ts'
import { PortolanError } from '../../protocol/error.ts'
import { classOfRequest, classOfSession, declaring } from './extension-class.ts'
import type { ExtensionClass } from './extension-class.ts'
import type { InputKey, Leased } from './input-pool.ts'
import { sharingKey } from './legacy-pool.ts'

export interface Party {
  readonly era: Era
  readonly revision: Revision
  readonly principal: Principal
  /** Legacy clients only. */
  readonly session: LiveSession | undefined
  /** Of a modern client: what it asks, and what it declares with it. */
  readonly message: Message | undefined
}

/** One way to an upstream: which era is spoken there, and to whom its lists are the same. */
export interface Source {
  readonly upstream: Upstream
  readonly era: Era
  /**
   * Lists fetched through sources with the same key are the same: era, input capability class, declared extensions, and whose
   * session it is where not everybody's. What a server lists may come of what one client did or declared there (guarantee 3).
   */
  readonly classKey: string
  /** What of the client's extensions is declared there for what Portolan itself asks; '' for none. */
  readonly extensions: ExtensionClass
  /** A channel of the client session's own: nobody else hears what it says. */
  readonly isOwn: boolean
  channel(): Channel | Promise<Channel>
  /** What a server may ask for through `lease`; empty where nobody can be asked. */
  readonly input: ReadonlySet<InputCapability>
  /** A legacy session for one call of a modern client. */
  readonly lease?: () => Promise<Leased>
}

const NO_INPUT: ReadonlySet<InputCapability> = new Set()

export function partyOf(exchange: Exchange): Party {
  const { era, revision, principal, session, message } = exchange
  if (revision === undefined || principal === undefined) throw new PortolanError('internal')
  return { era, revision, principal, session, message }
}

/** The client's capabilities as it declared them for its session. */
export function sessionCapabilities(session: LiveSession): ClientCapabilities {
  const value: unknown = JSON.parse(session.data.clientCapabilities)
  return isJsonObject(value) ? value : {}
}

/**
 * What a modern server is told of a legacy client (bridge-rulings §4, Declared upstream): its extensions, and what it can be
 * asked for. Tasks that it hosts are not.
 */
export function modernCapabilities(session: LiveSession): WireText {
  const known = modern.get(session)
  if (known !== undefined) return known
  const capabilities = sessionCapabilities(session)
  const declared = declaredInput(capabilities, session.data.revision)
  const extensions = relayedExtensions(capabilities)
  const input = inputAsCapabilities(new Set([...declared].filter((one) => !one.startsWith('tasks.'))))
  const text = asciiJson(extensions === undefined ? input : { ...input, extensions })
  modern.set(session, text)
  return text
}

const modern = new WeakMap<LiveSession, WireText>()

/**
 * A dual-era upstream is spoken to in the client's era (bridge-rulings §1). A legacy client that declared input gets a
 * channel of its own; all others share what the configuration lets them share (design §4).
 */
function sourceFor(context: GatewayContext, party: Party, upstream: Upstream, profile: UpstreamProfile): Source {
  const { session } = party
  if (session === undefined) return chooseSource(context, party, upstream, profile)
  const known = sources.get(profile)?.get(session)
  if (known !== undefined) return known
  const source = chooseSource(context, party, upstream, profile)
  const ofProfile = sources.get(profile) ?? new WeakMap<LiveSession, Source>()
  sources.set(profile, ofProfile.set(session, source))
  return source
}

/** A session's capabilities never change, and a profile is replaced as a whole: what follows from both is kept with them. */
const sources = new WeakMap<UpstreamProfile, WeakMap<LiveSession, Source>>()

function chooseSource(context: GatewayContext, party: Party, upstream: Upstream, profile: UpstreamProfile): Source {
  const { legacy, modern } = profile
  const era = party.era === 'modern' ? (modern === undefined ? 'legacy' : 'modern') : legacy === undefined ? 'modern' : 'legacy'
  const { session } = party
  const declared = session === undefined ? classOfRequest(party.message) : classOfSession(session)
  const extensions = declared === '' ? '' : context.extensionClasses.at(upstream, declared)
  if (era === 'modern') return { upstream, era, classKey: `modern${extensions}`, extensions, isOwn: false, input: NO_INPUT, channel: () => upstream.modern() }
  const { ownerKey } = party.principal
  const shared = (): Source => {
    const classKey = `legacy::${sharingKey(upstream, ownerKey)}${extensions}`
    return { upstream, era, classKey, extensions, isOwn: false, input: NO_INPUT, channel: () => sharedChannel(context, upstream, ownerKey, extensions) }
  }
  if (legacy === undefined) return shared()
  if (session === undefined) return leasedSource(context, party, upstream, legacy.revision, extensions) ?? shared()
  const mirrored = mirrorCapabilities(sessionCapabilities(session), { client: party.revision, upstream: legacy.revision })
  const input = capabilityClass(declaredInput(mirrored, legacy.revision))
  if (sharesChild(upstream, input)) return shared()
  // What the session declares is its own to say, whatever class it would be of.
  const classKey = `legacy:${input}:${ownerKey}${declared}`
  return { upstream, era, classKey, extensions: declared, isOwn: true, input: NO_INPUT, channel: () => ownChannel(context, session, upstream, mirrored) }
}

/** A modern client that can be asked; undefined for one that cannot. */
function leasedSource(context: GatewayContext, { principal, message }: Party, upstream: Upstream, revision: Revision, extensions: ExtensionClass): Source | undefined {
  const declares = member(member(message?.body, '_meta'), META.clientCapabilities)
  const capabilities = message === undefined || declares === undefined ? {} : readJson(message.text, declares)
  if (!isJsonObject(capabilities) || Object.keys(capabilities).length === 0) return undefined
  const known = inputKnownTo(revision)
  const input = new Set([...declaredInput(capabilities, LATEST_MODERN)].filter((one) => known.has(one) && !one.startsWith('tasks.')))
  const inputClass = capabilityClass(input)
  if (inputClass === '') return undefined
  const mirrored = mirrorCapabilities(inputAsCapabilities(input), { client: LATEST_MODERN, upstream: revision })
  const key = { principal, upstream, input: `${inputClass}${extensions}`, capabilities: extensions === '' ? mirrored : { ...mirrored, extensions: JSON.parse(extensions) } }
  const classKey = `legacy:${inputClass}:${principal.bindingKey}${extensions}`
  return { upstream, era: 'legacy', classKey, extensions, isOwn: false, input, channel: () => context.inputPool.any(key), lease: () => lease(context, key) }
}

/** Who asked for a task. */
export function principalOf({ ownerKey, bindingKey, label, scopes }: TaskOrigin): Principal {
  return { ownerKey, bindingKey, label, scopes: new Set(scopes) }
}

/** A session for what goes on in the name of a modern client that can be asked for this. */
export function leaseFor(context: GatewayContext, principal: Principal, upstream: Upstream, input: ReadonlySet<InputCapability>): Promise<Leased> {
  const revision = upstream.knownProfile()?.legacy?.revision ?? LATEST_LEGACY
  return lease(context, { principal, upstream, input: capabilityClass(input), capabilities: mirrorCapabilities(inputAsCapabilities(input), { client: LATEST_MODERN, upstream: revision }) })
}

/** On stdio a leased session is another process: what is watched at the server is watched there too. */
async function lease({ inputPool, watches }: GatewayContext, key: InputKey): Promise<Leased> {
  const leased = await inputPool.lease(key)
  if (key.upstream.config.target.transport === 'stdio') watches.follow(key.upstream, leased.channel)
  return leased
}

/** The shared session of those who declare these extensions, another process on stdio. */
function sharedChannel({ pool, watches }: GatewayContext, upstream: Upstream, ownerKey: string, extensions: ExtensionClass): Channel | Promise<Channel> {
  const channel = pool.shared(upstream, ownerKey, declaring(extensions))
  if (extensions === '' || !(channel instanceof Promise) || upstream.config.target.transport === 'http') return channel
  return channel.then((opened) => {
    watches.follow(upstream, opened)
    return opened
  })
}

function ownChannel(context: GatewayContext, session: LiveSession, upstream: Upstream, mirrored: ClientCapabilities): Channel | Promise<Channel> {
  return session.opened.get(upstream.id)?.channel ?? context.pool.own(session, upstream, mirrored).then(({ channel }) => channel)
}

/** stdio children only: an HTTP upstream keeps one session per client session unless configured otherwise. */
function sharesChild(upstream: Upstream, input: string): boolean {
  return upstream.config.target.transport === 'stdio' && input === '' && upstream.config.share !== 'session'
}

/** The source of an exchange's route, at once where the profile is known. */
export function sourceOf(context: GatewayContext, party: Party, upstream: Upstream): Source | Promise<Source> {
  const profile = upstream.knownProfile()
  if (profile !== undefined) return sourceFor(context, party, upstream, profile)
  return upstream.profile().then((found) => sourceFor(context, party, upstream, found))
}

/** Has the lists of a server watched in the era in which this client's calls go there. Resolves when they are, or cannot be. Never rejects: a server may be down. */
export async function ensureLists(context: GatewayContext, party: Party, upstream: Upstream): Promise<void> {
  try {
    const { era, isOwn } = await sourceOf(context, party, upstream)
    // Another child than the client's own has other lists.
    if (!isOwn || upstream.config.target.transport === 'http') await context.watches.ensureLists(upstream, era)
  } catch {
    // It is watched from when it is there, in the era that it speaks then.
    if (!mayHaveOwnChild(party, upstream)) await context.watches.ensureLists(upstream, party.era)
  }
}

/** Where what it speaks is not known yet. */
function mayHaveOwnChild({ session }: Party, { config }: Upstream): boolean {
  return config.target.transport === 'stdio' && session !== undefined && (config.share === 'session' || session.data.clientCapabilities !== '{}')
}
