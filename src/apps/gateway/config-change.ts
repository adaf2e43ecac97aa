/** What a reload did, for people and programs: names and paths only, never a value. */

import { isDeepStrictEqual } from 'node:util'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'
import type { LoadedConfig } from './config-file.ts'
import type { ConfigProblem } from './config-problem.ts'

export interface ConfigChange {
  /** Servers, by name. One that is switched on is added, one that is switched off is removed. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
  readonly renamed: readonly { readonly from: string; readonly to: string }[]
  /** Settings that are in force now, as `portolan.separator`. */
  readonly settings: readonly string[]
  /** Settings that take effect at the next start. */
  readonly atNextStart: readonly string[]
}

/** What the admin API answers to `POST /reload`. */
export type ReloadReport =
  | { readonly outcome: 'changed' | 'unchanged'; readonly source: string; readonly digest: string; readonly change: ConfigChange }
  | { readonly outcome: 'refused'; readonly source: string; readonly problems: readonly ConfigProblem[] }

/** Settings of the listeners: they are bound, or node:http was told, when the process starts. */
const AT_NEXT_START = ['listen', 'operations', 'limits.headerBytes', 'limits.bodyBytes', 'limits.headerTimeoutMs', 'limits.bodyTimeoutMs'] as const

export function configChange(before: LoadedConfig, after: LoadedConfig): ConfigChange {
  const byId = (servers: readonly ServerSnapshot[]): Map<string, ServerSnapshot> =>
    new Map(servers.filter(({ enabled }) => enabled).map((server) => [server.id, server]))
  const [old, now] = [byId(before.snapshot.servers), byId(after.snapshot.servers)]
  const kept = [...now.values()].flatMap((server) => {
    const former = old.get(server.id)
    return former === undefined ? [] : [{ former, server }]
  })
  const settings = changedSettings(before.config.portolan, after.config.portolan)
  return {
    added: [...now.values()].filter(({ id }) => !old.has(id)).map(({ name }) => name),
    removed: [...old.values()].filter(({ id }) => !now.has(id)).map(({ name }) => name),
    changed: kept.filter(({ former, server }) => !isDeepStrictEqual({ ...former, name: '' }, { ...server, name: '' })).map(({ server }) => server.name),
    renamed: kept.flatMap(({ former, server }) => (former.name === server.name ? [] : [{ from: former.name, to: server.name }])),
    settings: settings.filter((path) => !isAtNextStart(path)).map((path) => `portolan.${path}`),
    atNextStart: settings.filter(isAtNextStart).map((path) => `portolan.${path}`),
  }
}

/** Nothing in force has changed, and nothing will. */
export function isEmptyChange(change: ConfigChange): boolean {
  return Object.values(change).every((part) => part.length === 0)
}

/** Whether a setting, as its path below `portolan`, takes effect at the next start only. */
export function isAtNextStart(path: string): boolean {
  return AT_NEXT_START.some((setting) => path === setting || path.startsWith(`${setting}.`))
}

/** The paths of members that differ, two levels deep; what servers are made of is told by their names. */
function changedSettings(before: object, after: object): string[] {
  return differing(before, after).flatMap((key) => {
    if (key === 'servers') return []
    const [old, now] = [memberOf(before, key) ?? {}, memberOf(after, key) ?? {}]
    return isPlain(old) && isPlain(now) ? differing(old, now).map((inner) => `${key}.${inner}`) : [key]
  })
}

function differing(before: object, after: object): string[] {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].filter((key) => !isDeepStrictEqual(memberOf(before, key), memberOf(after, key)))
}

function memberOf(value: object, key: string): unknown {
  return Object.getOwnPropertyDescriptor(value, key)?.value
}

function isPlain(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
