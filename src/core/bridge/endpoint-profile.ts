/** What an endpoint says it is: capabilities, name and instructions, computed from its upstreams and the carrier table. */

import type { ServerCapabilities } from '../../protocol/capability.ts'
import { convertServerCapabilities, mergeServerCapabilities, withTasks } from '../../protocol/capability.ts'
import { EXTENSIONS, withExtensions } from '../../protocol/extension.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Implementation } from '../../protocol/implementation.ts'
import { isImplementation } from '../../protocol/implementation.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import { utf8Of } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import { upstreamsOf, virtualAt } from '../catalog/endpoint-scope.ts'
import type { VirtualServer } from '../catalog/virtual-server.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { inTime } from '../upstream/patience.ts'
import type { EraProfile, Upstream, UpstreamProfile } from '../upstream/upstream.ts'
import { ownsAny } from './task-owner.ts'
import { hasTasks } from './task-support.ts'

export interface EndpointProfile {
  readonly capabilities: ServerCapabilities
  readonly serverInfo: Implementation
  readonly instructions: string | undefined
  /** False where one of several servers has not answered yet: what is said here will change. */
  readonly complete: boolean
}

/** Rejects with `unknown_server`, or `upstream_unavailable` where the endpoint's one server is down. */
export async function endpointProfile(context: GatewayContext, endpoint: string, client: Revision, era: Era): Promise<EndpointProfile> {
  if (endpoint === '') return mergedProfile(context, context.upstreams.all(), client, era)
  const upstream = context.upstreams.byName(endpoint)
  if (upstream !== undefined) return ownProfile(context, upstream, client, era)
  const virtual = virtualAt(context, endpoint)
  if (virtual === undefined) throw new PortolanError('unknown_server')
  return virtualProfile(context, virtual, client, era)
}

async function ownProfile(context: GatewayContext, upstream: Upstream, client: Revision, era: Era): Promise<EndpointProfile> {
  const profile = spokenTo(await upstream.profile(), era)
  return {
    capabilities: capabilitiesOf(context, upstream, profile, client),
    serverInfo: implementationOf(profile.serverInfo) ?? { name: upstream.name, version: '0.0.0' },
    instructions: profile.instructions === '' ? undefined : profile.instructions,
    complete: true,
  }
}

/** Under its own name, with what the items that it shows need. */
async function virtualProfile(context: GatewayContext, virtual: VirtualServer, client: Revision, era: Era): Promise<EndpointProfile> {
  const { title, description, instructions } = virtual.config
  const upstreams = upstreamsOf(context, virtual)
  const [only] = upstreams
  if (only === undefined) throw new PortolanError('upstream_unavailable')
  const needed: Narrow = (capabilities, upstream) => neededCapabilities(virtual, upstream.name, capabilities)
  const profile = virtual.isMerged ? await mergedProfile(context, upstreams, client, era, needed) : await ownProfile(context, only, client, era)
  const own = instructions === '' ? undefined : (instructions ?? profile.instructions)
  return {
    capabilities: virtual.isMerged ? profile.capabilities : needed(profile.capabilities, only),
    serverInfo: {
      name: virtual.name,
      ...(title === undefined ? {} : { title }),
      ...(description === undefined ? {} : { description }),
      version: context.deps.self.version,
    },
    instructions: own,
    complete: profile.complete,
  }
}

type Narrow = (capabilities: ServerCapabilities, upstream: Upstream) => ServerCapabilities

/** Of a kind of which nothing is shown nothing is advertised, nor what only serves that kind. */
function neededCapabilities(virtual: VirtualServer, server: string, capabilities: ServerCapabilities): ServerCapabilities {
  const shows = {
    tools: virtual.shows(server, 'tools'),
    prompts: virtual.shows(server, 'prompts'),
    resources: virtual.shows(server, 'resources') || virtual.shows(server, 'templates'),
  }
  const needs = { ...shows, completions: shows.prompts || shows.resources, tasks: shows.tools }
  const kept = Object.entries(capabilities).filter(([key]) => !Object.hasOwn(needs, key) || needs[key as keyof typeof needs])
  // What is left out of a server's resources could be a file of a skill.
  const served = { tools: shows.tools, resources: virtual.isOpen(server) }
  // Methods that nobody knows have no route here (decision 0008): their extensions would be promised in vain.
  return withExtensions(Object.fromEntries(kept), (id) => {
    const traits = EXTENSIONS.get(id)
    return traits !== undefined && served[traits.serves]
  })
}

async function mergedProfile(
  context: GatewayContext,
  upstreams: readonly Upstream[],
  client: Revision,
  era: Era,
  narrow: Narrow = (capabilities) => capabilities,
): Promise<EndpointProfile> {
  const profiles = await Promise.all(upstreams.map((upstream) => profileInTime(context, upstream)))
  const instructions = upstreams.flatMap((upstream, index) => {
    const profile = profiles[index]
    const text = profile === undefined ? '' : spokenTo(profile, era).instructions
    return text === '' ? [] : [`# ${upstream.name}\n\n${text}`]
  })
  const complete = profiles.every((profile) => profile !== undefined)
  const capabilities = upstreams.map((upstream, index) => {
    const profile = profiles[index]
    return narrow(profile === undefined ? MAY_COME : capabilitiesOf(context, upstream, spokenTo(profile, era), client), upstream)
  })
  const all = mergeServerCapabilities(capabilities)
  return {
    // Bridge-rulings §5: of several servers, nobody can tell whom a method that no table knows is for.
    capabilities: upstreams.length > 1 ? withExtensions(all, (id) => EXTENSIONS.has(id)) : all,
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

function capabilitiesOf({ owned }: GatewayContext, upstream: Upstream, profile: EraProfile, client: Revision): ServerCapabilities {
  const capabilities = convertServerCapabilities(jsonObject(profile.capabilities), { client, upstream: profile.revision })
  // Bridge-rulings §4, Tasks: in every cell whose upstream has a form of them.
  const isOtherForm = traitsOf(client).tasks !== traitsOf(profile.revision).tasks
  const isOwn = owned !== undefined && ownsAny(upstream.config)
  return isOwn || (isOtherForm && hasTasks(profile)) ? withTasks(capabilities, client) : capabilities
}

function implementationOf(text: WireText): Implementation | undefined {
  const value = jsonObject(text === '' ? '{}' : text)
  return isImplementation(value) ? value : undefined
}

function jsonObject(text: WireText): ServerCapabilities {
  const value: unknown = JSON.parse(utf8Of(text))
  return isJsonObject(value) ? value : {}
}
