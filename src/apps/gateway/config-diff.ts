/**
 * Two configurations side by side, without a secret: what each says as it is written, and marks that tell whether two hidden
 * texts are the same. Marks are keyed with a salt of the process that serves, so that they mean nothing elsewhere.
 */

import { createHmac } from 'node:crypto'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { ServerSnapshot } from '../../core/gateway/snapshot.ts'
import { isAtNextStart } from './config-change.ts'
import { printableResolved, printableTarget } from './config-print.ts'
import { writtenSettings } from './config-snapshot.ts'
import type { Config, ConfiguredServer } from './config.ts'

/** One setting. */
export interface ConfigLeaf {
  /** For people: the text as written, a reference, or `<hidden>`. */
  readonly shown: string
  /** Of the text as written. */
  readonly mark: string
  /** Of the file behind a `file:` reference; undefined where there is none, or where it was not read. */
  readonly contentMark?: string
}

export interface ServerModel {
  /** As the file writes it. */
  readonly key: string
  readonly name: string
  readonly id: string
  readonly enabled: boolean
  readonly leaves: Readonly<Record<string, ConfigLeaf>>
}

/** A configuration as `/config` on the operations socket tells it. */
export interface ConfigModel {
  /** For people. */
  readonly source: string
  /** Absolute; '' for the built-in configuration. */
  readonly path: string
  readonly digest: string
  readonly salt: string
  readonly servers: readonly ServerModel[]
  /** By path below `portolan`, defaults filled in. */
  readonly settings: Readonly<Record<string, ConfigLeaf>>
}

/** What a reference in `keys` of a server stands for; undefined where it is not known. */
export type ContentOf = (server: ConfiguredServer, keys: readonly (string | number)[], text: string) => string | undefined

export interface ModelSource {
  readonly source: string
  readonly path: string
  readonly digest: string
  readonly config: Config
  readonly contentOf: ContentOf
}

const HAS_FILE = /^file:\/|\$\{file:/

/** Holds no secret. */
export function configModel({ source, path, digest, config, contentOf }: ModelSource, salt: string): ConfigModel {
  const mark = (text: string): string => createHmac('sha256', salt).update(text).digest('base64url').slice(0, 22)
  return {
    source,
    path,
    digest,
    salt,
    servers: config.servers.map((server) => serverModel(server, mark, contentOf)),
    settings: settingLeaves(config, mark),
  }
}

type Mark = (text: string) => string

function serverModel(server: ConfiguredServer, mark: Mark, contentOf: ContentOf): ServerModel {
  const { target, key } = server
  const { id, name, enabled, ...settings } = writtenSettings(server)
  const leaves: Record<string, ConfigLeaf> = {}
  const shown = flat(printableTarget(target))
  for (const [path, { keys, text }] of Object.entries(flat(target))) {
    const content = HAS_FILE.test(text) ? contentOf(server, keys, text) : undefined
    leaves[path] = { shown: shown[path]?.text ?? text, mark: mark(text), ...(content === undefined ? {} : { contentMark: mark(content) }) }
  }
  for (const [path, { text }] of Object.entries(flat(settings))) leaves[path] = { shown: text, mark: mark(text) }
  return { key, name, id, enabled, leaves }
}

interface FlatLeaf {
  readonly keys: readonly (string | number)[]
  readonly text: string
}

/** Members by path; lists and scalars are leaves, as JSON text where they are no text. */
function flat(value: object, keys: readonly string[] = []): Record<string, FlatLeaf> {
  const leaves: Record<string, FlatLeaf> = {}
  for (const [key, item] of Object.entries(value)) {
    const inner = [...keys, key]
    if (item === undefined) continue
    if (isJsonObject(item)) Object.assign(leaves, flat(item, inner))
    else leaves[inner.join('.')] = { keys: inner, text: typeof item === 'string' ? item : JSON.stringify(item) }
  }
  return leaves
}

function settingLeaves(config: Config, mark: Mark): Record<string, ConfigLeaf> {
  const resolved = printableResolved(config, '')
  const filled: unknown = isJsonObject(resolved) ? resolved['portolan'] : undefined
  const { servers: _options, version: _version, ...settings } = isJsonObject(filled) ? filled : {}
  // Fixed arguments are hidden there; whether they differ is told all the same.
  const written = flat({ virtualServers: config.portolan.virtualServers ?? {} })
  return Object.fromEntries(Object.entries(flat(settings)).map(([path, { text }]) => [path, { shown: text, mark: mark(written[path]?.text ?? text) }]))
}

/** Looks what references stand for up in a compiled snapshot: what is served, not what the file would give now. */
export function contentInSnapshot(servers: readonly ServerSnapshot[]): ContentOf {
  const byName = new Map(servers.map((server) => [server.name, server.target]))
  return ({ name }, keys) => {
    // Header names are in lower case there.
    let value: unknown = byName.get(name)
    for (const key of keys) {
      if (typeof value !== 'object' || value === null) return undefined
      value = Object.getOwnPropertyDescriptor(value, key)?.value ?? Object.getOwnPropertyDescriptor(value, String(key).toLowerCase())?.value
    }
    return value === undefined ? undefined : typeof value === 'string' ? value.trim() : JSON.stringify(value)
  }
}

export interface SettingChange {
  readonly setting: string
  /** Undefined: not set. Equal texts: hidden ones that differ. */
  readonly from: string | undefined
  readonly to: string | undefined
  /** The reference is the same, the file behind it holds something else. */
  readonly isContent: boolean
}

export interface ServerChange {
  readonly kind: 'added' | 'removed' | 'changed'
  /** As the file writes it, the newer one. */
  readonly name: string
  readonly id: string
  readonly settings: readonly SettingChange[]
  /** What a reload does to it. */
  readonly effect: 'starts' | 'stops' | 'restarts' | 'none'
}

export interface ConfigDiff {
  readonly isSame: boolean
  readonly servers: readonly ServerChange[]
  /** The servers are the same in another order, which is that of their tools. */
  readonly isReordered: boolean
  readonly settings: readonly (SettingChange & { readonly atNextStart: boolean })[]
}

/** What `after` has otherwise than `before`. Both must have the same salt. */
export function diffConfigs(before: ConfigModel, after: ConfigModel): ConfigDiff {
  const old = new Map(before.servers.map((server) => [server.id, server]))
  const now = new Map(after.servers.map((server) => [server.id, server]))
  const removed = before.servers.filter(({ id }) => !now.has(id)).map((server) => wholeServer('removed', server))
  const kept = after.servers.flatMap((server): ServerChange[] => {
    const former = old.get(server.id)
    return former === undefined ? [wholeServer('added', server)] : changedServer(former, server)
  })
  const settings = changedLeaves(before.settings, after.settings).map((change) => ({ ...change, atNextStart: isAtNextStart(change.setting) }))
  const servers = [...removed, ...kept]
  const isReordered = order(before, now) !== order(after, old)
  return { isSame: servers.length === 0 && settings.length === 0 && !isReordered, servers, isReordered, settings }
}

function order({ servers }: ConfigModel, others: ReadonlyMap<string, unknown>): string {
  return servers.filter(({ id }) => others.has(id)).map(({ id }) => id).join('\n')
}

function wholeServer(kind: 'added' | 'removed', server: ServerModel): ServerChange {
  const { key, id, enabled, leaves } = server
  const settings = Object.entries(leaves).filter(([path]) => TARGET.test(path)).map(([setting, { shown }]) => ({
    setting, from: kind === 'removed' ? shown : undefined, to: kind === 'added' ? shown : undefined, isContent: false,
  }))
  return { kind, name: key, id, settings, effect: !enabled ? 'none' : kind === 'added' ? 'starts' : 'stops' }
}

/** What a server is; the rest are options with defaults. */
const TARGET = /^(?:command|args|url|cwd|envFile|env\.|headers\.)/

/** What a kept connection or child process cannot take: everything else is changed in place. Headers, where sessions are open. */
const NEEDS_NEW = /^(?:transport|command|args|cwd|envFile|url|era|share|env\..*|headers\..*)$/

function changedServer(former: ServerModel, server: ServerModel): ServerChange[] {
  const flags = (model: ServerModel): Record<string, ConfigLeaf> =>
    Object.fromEntries([['name', model.name], ['enabled', String(model.enabled)]].map(([key = '', text = '']) => [key, { shown: text, mark: text }]))
  const settings = changedLeaves({ ...flags(former), ...former.leaves }, { ...flags(server), ...server.leaves })
  if (settings.length === 0) return []
  const isRestart = settings.some(({ setting }) => NEEDS_NEW.test(setting))
  const effect = former.enabled === server.enabled ? (server.enabled && isRestart ? 'restarts' : 'none') : server.enabled ? 'starts' : 'stops'
  return [{ kind: 'changed', name: server.key, id: server.id, settings, effect }]
}

function changedLeaves(before: Readonly<Record<string, ConfigLeaf>>, after: Readonly<Record<string, ConfigLeaf>>): SettingChange[] {
  const paths = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...paths].flatMap((setting) => {
    const [old, now] = [before[setting], after[setting]]
    const isContent = old?.contentMark !== undefined && now?.contentMark !== undefined && old.contentMark !== now.contentMark
    if (old?.mark === now?.mark && !isContent) return []
    return [{ setting, from: old?.shown, to: now?.shown, isContent: old?.mark === now?.mark }]
  })
}
