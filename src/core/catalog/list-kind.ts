/** The lists of a server, and what each is called on the wire. */

import { SKILLS_EXTENSION } from '../../protocol/extension.ts'

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates' | 'skills'

export interface ListWords {
  readonly method: string
  /** The array in the result. */
  readonly field: string
  /** The member that names an item. */
  readonly key: 'name' | 'uri' | 'uriTemplate'
  /** The server capability without which the list is empty. */
  readonly capability: 'tools' | 'prompts' | 'resources'
  readonly changed: string
  /** The extension without which there is no such list. */
  readonly extension?: string
}

export const LISTS: Readonly<Record<ListKind, ListWords>> = {
  tools: {
    method: 'tools/list',
    field: 'tools',
    key: 'name',
    capability: 'tools',
    changed: 'notifications/tools/list_changed',
  },
  prompts: {
    method: 'prompts/list',
    field: 'prompts',
    key: 'name',
    capability: 'prompts',
    changed: 'notifications/prompts/list_changed',
  },
  resources: {
    method: 'resources/list',
    field: 'resources',
    key: 'uri',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
  },
  templates: {
    method: 'resources/templates/list',
    field: 'resourceTemplates',
    key: 'uriTemplate',
    capability: 'resources',
    changed: 'notifications/resources/list_changed',
  },
  skills: {
    method: 'skills/list',
    field: 'skills',
    key: 'uri',
    capability: 'resources',
    // The extension has no news of its own; its files are resources.
    changed: 'notifications/resources/list_changed',
    extension: SKILLS_EXTENSION,
  },
}

export const LIST_OF_METHOD: ReadonlyMap<string, ListKind> = new Map(
  (Object.keys(LISTS) as ListKind[]).map((kind) => [LISTS[kind].method, kind]),
)

/** The lists that a `…/list_changed` notification makes stale. */
export function listsChangedBy(method: string): readonly ListKind[] {
  return (Object.keys(LISTS) as ListKind[]).filter((kind) => LISTS[kind].changed === method)
}
