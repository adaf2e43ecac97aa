/** Whole lists, page after page, as the server sent them. */

import { setTimeout as sleep } from 'node:timers/promises'
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

/** Together longer than most servers need to start. */
const EMPTY_PAUSES = 3
const EMPTY_PAUSE_MS = 2_000

/**
 * As `listAll`. A gateway that merges servers answers before those do that are only being started, and says later that its list has changed: where
 * such a list is empty, it is asked for again.
 */
export async function listStarted(connection: Pick<Connection, 'capabilities' | 'request'>, kind: ListKind, { signal, pauseMs = EMPTY_PAUSE_MS }: { readonly signal?: AbortSignal; readonly pauseMs?: number } = {}): Promise<Listed> {
  const offered = connection.capabilities[METHODS[kind].capability]
  const mayCome = isJsonObject(offered) && offered['listChanged'] === true
  let listed = await listAll(connection, kind, signal)
  for (let pauses = 0; mayCome && listed.items.length === 0 && pauses < EMPTY_PAUSES; pauses += 1) {
    await sleep(pauseMs, undefined, signal === undefined ? {} : { signal })
    listed = await listAll(connection, kind, signal)
  }
  return listed
}

/** All of it; empty where the server does not have such things. Rejects as Connection.request does. */
export async function listAll(connection: Pick<Connection, 'capabilities' | 'request'>, kind: ListKind, signal?: AbortSignal): Promise<Listed> {
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
