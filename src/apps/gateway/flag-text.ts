/** Flags of which the text may stand elsewhere, so that no secret stands on a command line; and what is said of one that cannot be used. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Env } from './config-file.ts'
import { ConfigError } from './config-problem.ts'
import { isReference, resolveText } from './config-reference.ts'

/**
 * What `env:NAME` or `file:path` stands for; any other text as it is. What only looks like one of them is refused: it would be sent as
 * a secret. It is not repeated: who writes `env:$KEY` for `env:KEY` has given the secret itself, and the log would keep it.
 */
export function textOf(flag: string, given: string, env: Env): string {
  if (!/^(?:env|file):/.test(given)) return given
  const text = given.replace(/^file:(?:\/\/(?=\/))?(.+)$/s, (_, path: string) => `file:${wholePath(path)}`)
  if (!isReference(text)) throw flagProblem(flag, 'it refers to nothing', 'Write env:NAME, with the name of a variable, or file:/path')
  const scope = { env, folder: process.cwd(), home: homedir(), inputs: new Map<string, string>(), readFile: (path: string) => readFileSync(path, 'utf8') }
  const resolved = resolveText(text, 'value', scope)
  if (resolved.ok) return resolved.value
  throw flagProblem(flag, resolved.fault.problem, resolved.fault.fix)
}

/** As in a shell: from here, or from home. */
function wholePath(path: string): string {
  return path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(path)
}

/** A flag, or its variable in the environment, that cannot be used. */
export function flagProblem(path: string, text: string, fix: string): ConfigError {
  return new ConfigError('the command line', [{ path, problem: text, fix }])
}
