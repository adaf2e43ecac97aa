/**
 * What is known to be a secret of an upstream server, taken out of what it says of itself: servers write their keys to
 * stderr and into errors, and those go to the log and to the status (guarantee 4).
 */

import type { HttpServer, StdioServer } from '../gateway/snapshot.ts'

/** Names behind which secrets stand, as variables, options and headers are called. */
const SECRET_NAME = /key|token|secret|passw|credential|auth|cookie/i
/** Shorter ones are no secrets, and would take words apart. */
const MIN_LENGTH = 6
const HIDDEN = '<hidden>'

type Target = Pick<StdioServer, 'args' | 'env'> | Pick<HttpServer, 'url' | 'headers'>

/** The same text, without the secrets of `target`. */
export function createRedaction(target: Target): (text: string) => string {
  const found = 'env' in target ? [...secretsOfEnv(target.env), ...secretsOfArgs(target.args)] : [...secretsOfHeaders(target.headers), ...secretsOfUrl(target.url)]
  // The longest first: one may stand in another.
  const secrets = [...new Set(found)].filter(({ length }) => length >= MIN_LENGTH).toSorted((a, b) => b.length - a.length)
  if (secrets.length === 0) return (text) => text
  return (text) => secrets.reduce((rest, secret) => rest.replaceAll(secret, HIDDEN), text)
}

function secretsOfEnv(env: StdioServer['env']): string[] {
  return Object.entries(env).flatMap(([name, value]) => (SECRET_NAME.test(name) ? [value] : secretsOfUrl(value)))
}

/** `--api-key VALUE` and `--api-key=VALUE`. */
function secretsOfArgs(args: StdioServer['args']): string[] {
  return args.flatMap((arg, index) => {
    const [name = '', value] = arg.split(/=(.*)/s)
    if (value !== undefined && SECRET_NAME.test(name)) return [value, ...secretsOfUrl(arg)]
    const before = args[index - 1] ?? ''
    const follows = before.startsWith('-') && !before.includes('=') && SECRET_NAME.test(before) && !arg.startsWith('-')
    return follows ? [arg] : secretsOfUrl(arg)
  })
}

/** Every configured header may be one; behind a scheme of `Authorization` the credential alone, too. */
function secretsOfHeaders(headers: HttpServer['headers']): string[] {
  return Object.values(headers).flatMap((value) => [value, /^\S+ (\S+)$/.exec(value)?.[1] ?? ''])
}

function secretsOfUrl(text: string): string[] {
  if (!text.includes('://') || !URL.canParse(text)) return []
  const { password, searchParams } = new URL(text)
  const values = [...searchParams.entries()].flatMap(([name, value]) => (SECRET_NAME.test(name) ? [value] : []))
  return [password, ...values]
}
