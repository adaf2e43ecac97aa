/** What a server declares of an extension in the era in which it is spoken to, and what that means for methods and lists of it. */

import { SKILLS_EXTENSION } from '../../protocol/extension.ts'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { utf8Of } from '../../protocol/json.ts'
import type { Era } from '../../protocol/revision.ts'
import { upstreamsAt } from '../catalog/endpoint-scope.ts'
import type { GatewayContext } from '../gateway/context.ts'
import type { EraProfile, UpstreamProfile } from '../upstream/upstream.ts'

/** A profile is replaced as a whole. */
const declared = new WeakMap<EraProfile, JsonObject>()

/** Its settings; undefined where it does not declare it. */
export function settingsOf(profile: EraProfile | undefined, id: string): JsonObject | undefined {
  if (profile === undefined) return undefined
  const known = declared.get(profile)
  const extensions = known ?? readExtensions(profile)
  if (known === undefined) declared.set(profile, extensions)
  const settings = Object.hasOwn(extensions, id) ? extensions[id] : undefined
  return isJsonObject(settings) ? settings : undefined
}

function readExtensions({ capabilities }: EraProfile): JsonObject {
  const value: unknown = JSON.parse(utf8Of(capabilities))
  return isJsonObject(value) && isJsonObject(value['extensions']) ? value['extensions'] : {}
}

/** The era in which a client's calls go there. */
const spokenTo = (profile: UpstreamProfile | undefined, era: Era): EraProfile | undefined =>
  era === 'modern' ? (profile?.modern ?? profile?.legacy) : (profile?.legacy ?? profile?.modern)

/** Whether a server of the endpoint may have it: one that has not said yet may. */
export function isServed(context: GatewayContext, endpoint: string, era: Era, id: string): boolean {
  return upstreamsAt(context, endpoint).some((upstream) => {
    const profile = upstream.knownProfile()
    return profile === undefined || settingsOf(spokenTo(profile, era), id) !== undefined
  })
}

/** What must be declared for these methods: clients MUST NOT call them otherwise (SEP-2640, Capability Negotiation). */
const NEEDS: ReadonlyMap<string, (settings: JsonObject) => boolean> = new Map<string, (settings: JsonObject) => boolean>([
  ['skills/get', () => true],
  ['resources/directory/read', ({ directoryRead }) => directoryRead === true],
])

/** Where several servers are one, its client goes by what any of them declares: whether this one may be asked. */
export function mayBeAsked(profile: UpstreamProfile | undefined, era: Era, method: string): boolean {
  const needs = NEEDS.get(method)
  if (needs === undefined) return true
  const settings = settingsOf(profile?.[era], SKILLS_EXTENSION)
  return settings !== undefined && needs(settings)
}
