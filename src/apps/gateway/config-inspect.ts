/**
 * A configuration file looked at from outside the process that serves it: its digest and its model, whatever of its
 * references can be resolved here. Another environment is no fault of the file.
 */

import { readFileSync, realpathSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { ContentOf } from './config-diff.ts'
import type { Env } from './config-file.ts'
import { ConfigError } from './config-problem.ts'
import { resolveText } from './config-reference.ts'
import type { ReferenceScope } from './config-reference.ts'
import { compileSnapshot } from './config-snapshot.ts'
import { readConfig } from './config.ts'
import type { Config } from './config.ts'

/** Throws ConfigError with every problem of the form, none of its references. */
export function readConfigFile(path: string): { readonly text: string; readonly config: Config } {
  const text = readText(path)
  const read = readConfig(text)
  if (!read.ok) throw new ConfigError(path, read.fault)
  return { text, config: read.value }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable'
    const problem = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new ConfigError(path, [{ path, problem, fix: 'Give the path of a configuration file' }])
  }
}

/** Where references of the file at `path` are looked up. */
export function scopeOf(path: string, config: Config, env: Env): ReferenceScope {
  return { env, folder: dirname(resolve(path)), home: homedir(), inputs: config.inputs, readFile: (file) => readFileSync(file, 'utf8') }
}

/** As a process would report it that serves this file; '' where a reference is of a kind that none knows. */
export function digestOfConfig(path: string, config: Config): string {
  // The digest is of what is written: what references stand for here does not matter.
  const compiled = compileSnapshot(config, { ...scopeOf(path, config, ANY_ENV), readFile: () => '' })
  return compiled.ok ? compiled.value.digest : ''
}

/** Every variable is set, to what may stand in a URL, as one, and in a header. */
const ANY_ENV: Env = new Proxy<Env>({}, { get: (_target, name) => (typeof name === 'string' ? 'https://x.invalid' : undefined) })

/** What stands behind references to files now. Those to variables are left out: another process has others. */
export function contentInFiles(path: string, config: Config): ContentOf {
  const scope = scopeOf(path, config, ANY_ENV)
  return (server, keys, text) => {
    if (!server.enabled || keys[0] === 'args') return undefined
    const resolved = resolveText(text, keys[0] === 'env' || keys[0] === 'headers' ? 'value' : 'plain', scope)
    return resolved.ok && !/\$\{(?!file:)/.test(text) ? resolved.value.trim() : undefined
  }
}

/** The same file by every name. */
export function realPathOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return resolve(path)
  }
}
