/** Flags of which the text may stand elsewhere, so that no secret stands on a command line; and what is said of one that cannot be used. */

import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import type { Env } from './config-file.ts'
import { ConfigError } from './config-problem.ts'
import { resolveText } from './config-reference.ts'

/** What `env:NAME` or `file:/path` stands for; any other text as it is. */
export function textOf(flag: string, text: string, env: Env): string {
  if (!/^(?:env|file):/.test(text)) return text
  const scope = { env, folder: process.cwd(), home: homedir(), inputs: new Map<string, string>(), readFile: (path: string) => readFileSync(path, 'utf8') }
  const resolved = resolveText(text, 'value', scope)
  if (resolved.ok) return resolved.value
  throw flagProblem(flag, resolved.fault.problem, resolved.fault.fix)
}

/** A flag, or its variable in the environment, that cannot be used. */
export function flagProblem(path: string, text: string, fix: string): ConfigError {
  return new ConfigError('the command line', [{ path, problem: text, fix }])
}
