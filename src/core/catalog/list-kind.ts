/** The four lists of a server, and what each is called on the wire. */

export type ListKind = 'tools' | 'prompts' | 'resources' | 'templates'

export interface ListWords {
  readonly method: string
  /** The array in the result. */
  readonly field: string
  /** The member that names an item. */
  readonly key: 'name' | 'uri' | 'uriTemplate'
  /** The server capability without which the list is empty. */
  readonly capability: 'tools' | 'prompts' | 'resources'
  readonly changed: string
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
}

export const LIST_OF_METHOD: ReadonlyMap<string, ListKind> = new Map(
  (Object.keys(LISTS) as ListKind[]).map((kind) => [LISTS[kind].method, kind]),
)

/** The lists that a `…/list_changed` notification makes stale. */
export function listsChangedBy(method: string): readonly ListKind[] {
  return (Object.keys(LISTS) as ListKind[]).filter((kind) => LISTS[kind].changed === method)
}
