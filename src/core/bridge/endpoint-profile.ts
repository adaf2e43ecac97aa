/** What an endpoint says it is: capabilities, name and instructions, computed from its upstreams and the carrier table. */

import type { ServerCapabilities } from '../../protocol/capability.ts'
import { convertServerCapabilities, mergeServerCapabilities } from '../../protocol/capability.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Implementation } from '../../protocol/implementation.ts'
import { isImplementation } from '../../protocol/implementation.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { utf8Of } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { inTime } from '../upstream/patience.ts'
import type { EraProfile, Upstream, UpstreamProfile } from '../upstream/upstream.ts'

export interface EndpointProfile {
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation
  readonly instructions: string | undefined
  /** False where a server of `/mcp` has not answered yet: what is said here will change. */
  readonly complete: boolean
}

/** Rejects with `unknown_server`, or `upstream_unavailable` where the endpoint's one server is down. */
export async function endpointProfile(context: GatewayContext, endpoint: string, client: Revision, era: Era): Promise<EndpointProfile> {
  if (endpoint === '') return mergedProfile(context, client, era)
  const upstream = context.upstreams.byName(endpoint)
  if (upstream === undefined) throw new PortolanError('unknown_server')
  const profile = spokenTo(await upstream.profile(), era)
  return {
    capabilities: capabilitiesOf(profile, client),
    serverInfo: implementationOf(profile.serverInfo) ?? { name: upstream.name, version: '0.0.0' },
    instructions: profile.instructions === '' ? undefined : profile.instructions,
    complete: true,
  }
}

async function mergedProfile(context: GatewayContext, client: Revision, era: Era): Promise<EndpointProfile> {
  const upstreams = context.upstreams.all()
  const profiles = await Promise.all(upstreams.map((upstream) => profileInTime(context, upstream)))
  const known = profiles.flatMap((profile) => (profile === undefined ? [] : [spokenTo(profile, era)]))
  const instructions = upstreams.flatMap((upstream, index) => {
    const profile = profiles[index]
    const text = profile === undefined ? '' : spokenTo(profile, era).instructions
    return text === '' ? [] : [`# ${upstream.name}\n\n${text}`]
  })
  const complete = known.length === upstreams.length
  const capabilities = known.map((profile) => capabilitiesOf(profile, client))
  return {
    capabilities: mergeServerCapabilities(complete ? capabilities : [...capabilities, MAY_COME]),
    serverInfo: context.deps.self,
    instructions: instructions.length === 0 ? undefined : instructions.join('\n\n'),
    complete,
  }
}

/** A client never asks for what was not advertised: what a server that is still starting may bring is, and its coming too. */
const MAY_COME: ServerCapabilities = { tools: { listChanged: true }, prompts: { listChanged: true }, resources: { listChanged: true } }

/** A server that answers later makes itself known by its lists having changed. */
async function profileInTime(context: GatewayContext, upstream: Upstream): Promise<UpstreamProfile | undefined> {
  const known = upstream.knownProfile()
  if (known !== undefined) return known
  const asking = upstream.profile()
  const found = await inTime(upstream, context.deps.clock, asking)
  if (found === undefined) asking.then(() => context.watches.changed(upstream), () => undefined)
  return found
}

function spokenTo(profile: UpstreamProfile, era: Era): EraProfile {
  const chosen = era === 'modern' ? (profile.modern ?? profile.legacy) : (profile.legacy ?? profile.modern)
  if (chosen === undefined) throw new PortolanError('upstream_unavailable')
  return chosen
}

function capabilitiesOf(profile: EraProfile, client: Revision): ServerCapabilities {
  return convertServerCapabilities(jsonObject(profile.capabilities), { client, upstream: profile.revision })
}

function implementationOf(text: WireText): Implementation | undefined {
  const value = jsonObject(text === '' ? '{}' : text)
  return isImplementation(value) ? value : undefined
}

function jsonObject(text: WireText): ServerCapabilities {
  const value: unknown = JSON.parse(utf8Of(text))
  return isJsonObject(value) ? value : {}
}
