/** The configuration file as a source of snapshots: read at the start, read again when asked, kept when the new one is bad. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
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
}

export type Env = Readonly<Record<string, string | undefined>>

/** Throws ConfigError with every problem. `path` undefined: the bundled reference server. */
export function loadConfig(path: string | undefined, env: Env): LoadedConfig {
  const source = path ?? 'the built-in configuration'
  const folder = path === undefined ? process.cwd() : dirname(resolve(path))
  const loaded = compile(readSource(path, source), folder, env)
  if (!loaded.ok) throw new ConfigError(source, loaded.fault)
  return { source, folder, ...loaded.value }
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
function compile(text: string, folder: string, env: Env): Result<{ config: Config; snapshot: Snapshot }, readonly ConfigProblem[]> {
  const { config, problems } = inspectConfig(text)
  if (config === undefined) return { ok: false, fault: problems }
  const scope: ReferenceScope = {
    env,
    folder,
    home: homedir(),
    inputs: config.inputs,
    readFile: (path) => readFileSync(path, 'utf8'),
  }
  const compiled = compileSnapshot(config, scope)
  if (compiled.ok && problems.length === 0) return { ok: true, value: { config, snapshot: compiled.value } }
  return { ok: false, fault: [...problems, ...(compiled.ok ? [] : compiled.fault)] }
}

export type Reload =
  | { readonly kind: 'changed' | 'unchanged'; readonly loaded: LoadedConfig }
  | { readonly kind: 'refused'; readonly reason: string }

export interface ConfigFile extends SnapshotSource {
  /** What is in force. */
  loaded(): LoadedConfig
  /** Never throws. A bad file changes nothing. Secrets behind references are read again too. */
  reload(): Reload
}

/** Follows one file, starting from what `loadConfig` gave. */
export function createConfigFile(path: string | undefined, first: LoadedConfig, env: Env): ConfigFile {
  let loaded = first
  const listeners = new Set<{ readonly onChange: (snapshot: Snapshot) => void }>()
  return {
    loaded: () => loaded,
    current: () => loaded.snapshot,
    subscribe(onChange) {
      const listener = { onChange }
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    reload() {
      const before = loaded
      try {
        loaded = loadConfig(path, env)
      } catch (error) {
        return { kind: 'refused', reason: error instanceof Error ? error.message : String(error) }
      }
      if (isDeepStrictEqual(before.snapshot, loaded.snapshot)) {
        loaded = { ...loaded, snapshot: before.snapshot }
        return { kind: 'unchanged', loaded }
      }
      for (const { onChange } of listeners) onChange(loaded.snapshot)
      return { kind: 'changed', loaded }
    },
  }
}
