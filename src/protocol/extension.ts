/**
 * The extensions that Portolan carries with understanding (SEP-2133), in one table; all others are the two ends' business
 * and are passed on as they are. Identifiers are data: nobody else compares one.
 */
import { TASKS_EXTENSION } from './capability.ts'
import type { ClientCapabilities, ServerCapabilities } from './capability.ts'
import { isJsonObject } from './json-value.ts'
import type { JsonObject } from './json-value.ts'

/** MCP Apps (SEP-1865). */
const UI_EXTENSION = 'io.modelcontextprotocol/ui'
/** Skills (SEP-2640). */
export const SKILLS_EXTENSION = 'io.modelcontextprotocol/skills'

export interface ExtensionTraits {
  /** Portolan speaks it on each hop by itself: what one side declares is not what the other is told. */
  readonly isPerHop: boolean
  /** The items that it is about: where a virtual server does not show them, it is not advertised. */
  readonly serves: 'tools' | 'resources'
}

export const EXTENSIONS: ReadonlyMap<string, ExtensionTraits> = new Map([
  [TASKS_EXTENSION, { isPerHop: true, serves: 'tools' }],
  [UI_EXTENSION, { isPerHop: false, serves: 'tools' }],
  [SKILLS_EXTENSION, { isPerHop: false, serves: 'resources' }],
])

/** What a client declares that goes to servers as it is; undefined for nothing. */
export function relayedExtensions({ extensions }: ClientCapabilities): JsonObject | undefined {
  if (!isJsonObject(extensions)) return undefined
  const kept = Object.entries(extensions).filter(([id]) => EXTENSIONS.get(id)?.isPerHop !== true)
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

/** The same capabilities with those extensions only for which `isKept` says so. */
export function withExtensions<T extends ServerCapabilities>(capabilities: T, isKept: (id: string) => boolean): ServerCapabilities {
  const { extensions, ...others } = capabilities
  if (!isJsonObject(extensions)) return others
  const kept = Object.entries(extensions).filter(([id]) => isKept(id))
  return kept.length === 0 ? others : { ...others, extensions: Object.fromEntries(kept) }
}
