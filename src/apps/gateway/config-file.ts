/** The configuration file as a source of snapshots: read at the start, read again when asked, kept when the new one is bad. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { readStamp } from '../../adapters/node/file-watch.ts'
import type { FileStamp } from '../../adapters/node/file-watch.ts'
import type { Snapshot, SnapshotSource } from '../../core/gateway/snapshot.ts'
import type { Result } from '../../protocol/result.ts'
import { ConfigError } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import type { ReferenceScope } from './config-reference.ts'
import { compileSnapshot } from './config-snapshot.ts'
import { inspectConfig } from './config.ts'
import type { Config } from './config.ts'
import { referenceConfigText } from './reference.ts'

/** A configuration that was read and compiled. */
export interface LoadedConfig {
  /** For people: the file's path, or what stands for it. */
  readonly source: string
  /** Relative paths in the file start here. */
  readonly folder: string
  readonly config: Config
  readonly snapshot: Snapshot
  /** Every file that was read or looked for, the configuration file among them, as it was then. */
  readonly files: ReadonlyMap<string, FileStamp>
}

export type Env = Readonly<Record<string, string | undefined>>

/** Throws ConfigError with every problem. `path` undefined: the bundled reference server. */
export function loadConfig(path: string | undefined, env: Env, files = new Map<string, FileStamp>()): LoadedConfig {
  const source = path ?? 'the built-in configuration'
  const folder = path === undefined ? process.cwd() : dirname(resolve(path))
  if (path !== undefined) files.set(path, readStamp(path))
  const loaded = compile(readSource(path, source), { folder, env, readFile: readerOf(files) })
  if (!loaded.ok) throw new ConfigError(source, loaded.fault)
  return { source, folder, files, ...loaded.value }
}

/** Reads a configuration, and notes the files that it read. Throws ConfigError. */
export type ConfigReader = (files: Map<string, FileStamp>) => LoadedConfig

/** As `loadConfig`, of what the file would hold; relative paths start in the working folder. */
export function loadConfigValue(value: object, env: Env, files = new Map<string, FileStamp>()): LoadedConfig {
  const [source, folder] = ['the configuration', process.cwd()]
  const loaded = compile(JSON.stringify(value), { folder, env, readFile: readerOf(files) })
  if (!loaded.ok) throw new ConfigError(source, loaded.fault)
  return { source, folder, files, ...loaded.value }
}

function readerOf(files: Map<string, FileStamp>): (file: string) => string {
  return (file) => {
    files.set(file, readStamp(file))
    return readFileSync(file, 'utf8')
  }
}

function readSource(path: string | undefined, source: string): string {
  if (path === undefined) return referenceConfigText()
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const problem = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new ConfigError(source, [{ path, problem, fix: 'Give the path of a configuration file with --config' }])
  }
}

/** What is wrong in itself and what leads nowhere are told together. */
function compile(text: string, surroundings: Pick<ReferenceScope, 'folder' | 'env' | 'readFile'>): Result<{ config: Config; snapshot: Snapshot }, readonly ConfigProblem[]> {
  const { config, problems } = inspectConfig(text)
  if (config === undefined) return { ok: false, fault: problems }
  const scope: ReferenceScope = { ...surroundings, home: homedir(), inputs: config.inputs }
  const compiled = compileSnapshot(config, scope)
  if (compiled.ok && problems.length === 0) return { ok: true, value: { config, snapshot: compiled.value } }
  return { ok: false, fault: [...problems, ...(compiled.ok ? [] : compiled.fault)] }
}

export type Reload =
  | { readonly kind: 'changed' | 'unchanged'; readonly before: LoadedConfig; readonly loaded: LoadedConfig }
  | { readonly kind: 'refused'; readonly reason: string; readonly problems: readonly ConfigProblem[] }

export interface ConfigFile extends SnapshotSource {
  /** What is in force. */
  loaded(): LoadedConfig
  /** Of the last attempt, whatever came of it. */
  files(): ReadonlyMap<string, FileStamp>
  /**
   * Never throws. A bad file changes nothing. Secrets behind references are read again too. Another reader, where one is given,
   * takes the place of the one before once its configuration is good.
   */
  reload(reader?: ConfigReader): Reload
}

/** What else must hold for a configuration to be taken: the problems, none where it may be. */
export type ConfigCheck = (loaded: LoadedConfig) => readonly ConfigProblem[]

/** Follows one file, starting from what `loadConfig` gave. */
export function createConfigFile(path: string | undefined, first: LoadedConfig, env: Env, check?: ConfigCheck): ConfigFile {
  return createConfigSource((files) => loadConfig(path, env, files), first, check)
}

/** The same for what is not a file. */
export function createConfigSource(firstReader: ConfigReader, first: LoadedConfig, check: ConfigCheck = () => []): ConfigFile {
  let usual = firstReader
  let loaded = first
  let files = first.files
  const listeners = new Set<{ readonly onChange: (snapshot: Snapshot) => void }>()
  return {
    loaded: () => loaded,
    current: () => loaded.snapshot,
    subscribe(onChange) {
      const listener = { onChange }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    files: () => files,
    reload(read = usual) {
      const before = loaded
      const tried = new Map<string, FileStamp>()
      files = tried
      try {
        const next = read(tried)
        const problems = check(next)
        if (problems.length > 0) throw new ConfigError(next.source, problems)
        loaded = next
        usual = read
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error)
        const problems = error instanceof ConfigError ? error.problems : [{ path: before.source, problem: reason, fix: 'Mend the file' }]
        return { kind: 'refused', reason, problems }
      }
      if (isDeepStrictEqual(before.snapshot, loaded.snapshot)) {
        loaded = { ...loaded, snapshot: before.snapshot }
        return { kind: 'unchanged', before, loaded }
      }
      for (const { onChange } of listeners) onChange(loaded.snapshot)
      return { kind: 'changed', before, loaded }
    },
  }
}
