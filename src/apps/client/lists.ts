/** Whole lists, page after page, as the server sent them. */

import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { ClientError } from './client-error.ts'
import type { Connection } from './connection.ts'

export type ListKind = 'tools' | 'prompts' | 'resources' | 'resourceTemplates'

export interface Listed {
  readonly items: readonly JsonObject[]
  /** The result as sent where there was one page; otherwise the first with the items of all. */
  readonly text: string
}

const METHODS: Readonly<Record<ListKind, { readonly method: string; readonly capability: string }>> = {
  tools: { method: 'tools/list', capability: 'tools' },
  prompts: { method: 'prompts/list', capability: 'prompts' },
  resources: { method: 'resources/list', capability: 'resources' },
  resourceTemplates: { method: 'resources/templates/list', capability: 'resources' },
}
const MAX_PAGES = 1_000

/** All of it; empty where the server does not have such things. Rejects as Connection.request does. */
export async function listAll(connection: Connection, kind: ListKind, signal?: AbortSignal): Promise<Listed> {
  const { method, capability } = METHODS[kind]
  if (Object.keys(connection.capabilities).length > 0 && connection.capabilities[capability] === undefined) return { items: [], text: JSON.stringify({ [kind]: [] }) }
  const items: JsonObject[] = []
  let cursor: string | undefined
  let only = ''
  let first: JsonObject = {}
  for (let page = 1; page <= MAX_PAGES; page += 1) {
    const { text, value } = await connection.request(method, cursor === undefined ? {} : { cursor }, signal === undefined ? {} : { signal })
    const listed = value[kind]
    if (Array.isArray(listed)) items.push(...listed.filter(isJsonObject))
    if (page === 1) [only, first] = [text, value]
    const { nextCursor } = value
    if (typeof nextCursor !== 'string') {
      if (page === 1) return { items, text: only }
      const { nextCursor: _, ...rest } = first
      return { items, text: JSON.stringify({ ...rest, [kind]: items }) }
    }
    cursor = nextCursor
  }
  throw new ClientError('lost', `The server sends pages of ${method} without end.`, 'That is a fault of the server; tell its authors.')
}
