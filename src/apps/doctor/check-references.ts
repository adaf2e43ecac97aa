/** What the configuration refers to: variables, files and inputs that are missing, empty, or taken literally. */

import type { ConfigProblem } from '../gateway/config-problem.ts'
import { pathText } from '../gateway/config-problem.ts'
import type { ConfiguredServer } from '../gateway/config.ts'
import { ok, problem, shellWord, warning } from './check.ts'
import type { Check, Finding } from './check.ts'

const VARIABLE = /^the environment variable (\w+) is not set$/
const FILE = /^the file (.+) cannot be read/
const INPUT = /would have to be asked for$/

/** Problems of what is referred to, not of the file itself. */
export function isReferenceProblem({ problem: what }: ConfigProblem): boolean {
  return VARIABLE.test(what) || FILE.test(what) || INPUT.test(what)
}

export const referencesCheck: Check = {
  id: 'references',
  looksAt: 'whether the variables and files that the configuration refers to are there',
  run({ problems, config, env }) {
    const missing = problems.filter(isReferenceProblem).map(({ path, problem: what, fix }) => problem(path, `${what.slice(0, 1).toUpperCase()}${what.slice(1)}. ${fix}.`, commandFor(what, fix)))
    const servers = config?.servers.filter(({ enabled }) => enabled) ?? []
    const doubtful = servers.flatMap((server) => doubtfulOf(server, env))
    const all = [...missing, ...doubtful]
    return all.length > 0 ? all : [ok('', 'Everything that is referred to is there.')]
  },
}

function commandFor(what: string, fix: string): string {
  const variable = VARIABLE.exec(what)?.[1] ?? /PORTOLAN_INPUT_\w+/.exec(fix)?.[0]
  if (variable !== undefined) return `export ${variable}=…`
  const file = FILE.exec(what)?.[1]
  return file === undefined ? '' : `ls -l ${shellWord(file)}`
}

function doubtfulOf({ target, path }: ConfiguredServer, env: Readonly<Record<string, string | undefined>>): readonly Finding[] {
  const member = target.transport === 'stdio' ? 'env' : 'headers'
  const texts = target.transport === 'stdio' ? target.env : target.headers
  return Object.entries(texts).flatMap(([name, text]) => {
    const place = pathText([...path, member, name])
    const literal = /(?<![\w$\\])\$([A-Z_][A-Z0-9_]*)/.exec(text)?.[1]
    if (literal !== undefined && env[literal] === undefined) {
      return [warning(place, `The variable ${literal} is not set, so "$${literal}" is passed on as it stands.`, `export ${literal}=…`)]
    }
    const referred = /\$\{(?:env:)?([A-Za-z_]\w*)\}|^env:([A-Za-z_]\w*)$|\{env:([A-Za-z_]\w*)\}/.exec(text)?.slice(1).find((found) => found !== undefined)
    return referred !== undefined && env[referred] === '' ? [warning(place, `The variable ${referred} is set, but empty.`, `export ${referred}=…`)] : []
  })
}
