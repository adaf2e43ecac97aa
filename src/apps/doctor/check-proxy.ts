/** Proxy variables: well formed, agreeing with each other, and not in the way to servers on this machine. */

import { listText, ok, problem, shellWord, skipped, warning } from './check.ts'
import type { Check, Finding } from './check.ts'
import type { DoctorContext } from './context.ts'
import { httpServers } from './server-target.ts'

const NAMES = ['http_proxy', 'https_proxy', 'no_proxy'] as const
type Env = DoctorContext['env']

export const proxyCheck: Check = {
  id: 'proxy',
  looksAt: 'whether the proxy variables are well formed and leave out what is on this machine',
  run(context) {
    const { env } = context
    const isSet = ['http_proxy', 'https_proxy', 'all_proxy'].some((name) => valueOf(env, name) !== '')
    const findings = [...NAMES.flatMap((name) => disagreement(name, env)), ...['http_proxy', 'https_proxy'].flatMap((name) => malformed(name, env))]
    if (!isSet && findings.length === 0) return [skipped('No proxy variable is set.')]
    findings.push(...unusedFindings(env), ...localFindings(context))
    return findings.length > 0 ? findings : [ok('', routesText(context))]
  },
}

/** As the egress reads them: the lower-case one wins where it is set at all. */
function valueOf(env: Env, name: string): string {
  return env[name] ?? env[name.toUpperCase()] ?? ''
}

function disagreement(name: string, env: Env): readonly Finding[] {
  const [lower, upper] = [env[name], env[name.toUpperCase()]]
  if (lower === undefined || upper === undefined || lower === upper) return []
  const used = `${name}${lower === '' ? ', which is empty' : ''}`
  const what = `${name} and ${name.toUpperCase()} differ: Portolan uses ${used}, other programs may use the other.`
  return [warning(name, what, `export ${name.toUpperCase()}="$${name}"`)]
}

function malformed(name: string, env: Env): readonly Finding[] {
  const value = valueOf(env, name)
  if (value === '') return []
  const used = env[name] === undefined ? name.toUpperCase() : name
  if (!URL.canParse(value) || !value.includes('://')) return [problem(used, 'It is no URL: it has to begin with http:// or https://.', `export ${used}=http://proxy.example:3128`)]
  const { protocol } = new URL(value)
  if (/^https?:$/.test(protocol)) return []
  return [problem(used, `Portolan knows no ${protocol.slice(0, -1)} proxies: it needs an http or https one.`, `export ${used}=http://proxy.example:3128`)]
}

function unusedFindings(env: Env): readonly Finding[] {
  const isOnlyAll = valueOf(env, 'all_proxy') !== '' && valueOf(env, 'http_proxy') === '' && valueOf(env, 'https_proxy') === ''
  return isOnlyAll ? [warning('all_proxy', 'Portolan does not read ALL_PROXY: it reaches its servers directly.', 'export HTTPS_PROXY="$ALL_PROXY" HTTP_PROXY="$ALL_PROXY"')] : []
}

function localFindings(context: DoctorContext): readonly Finding[] {
  const { env } = context
  const skips = skipList(env)
  const name = env['no_proxy'] === undefined ? 'NO_PROXY' : 'no_proxy'
  const wrong = httpServers(context.servers).filter(({ target }) => {
    const { protocol, hostname } = new URL(target.url)
    return isLocal(hostname) && valueOf(env, protocol === 'https:' ? 'https_proxy' : 'http_proxy') !== '' && !isSkipped(target.url, skips)
  })
  const hosts = [...new Set(wrong.map(({ target }) => new URL(target.url).hostname))]
  const mended = `export ${name}=${shellWord([...new Set([...skips, 'localhost', '127.0.0.1', '::1', ...hosts])].join(','))}`
  const names = listText(wrong.map(({ server }) => server.name))
  if (wrong.length > 0) return [problem(names, `${hosts.join(', ')} is on this machine, but ${name} does not leave it out: the proxy is asked for it, and cannot reach it.`, mended)]
  const lacks = valueOf(env, 'http_proxy') !== '' && !isSkipped('http://localhost', skips)
  return lacks ? [warning(name, 'It does not leave out localhost: servers and clients on this machine would go through the proxy.', mended)] : []
}

function skipList(env: Env): readonly string[] {
  return valueOf(env, 'no_proxy').split(/[,\s]+/).filter((item) => item !== '')
}

function isLocal(hostname: string): boolean {
  return hostname === 'localhost' || hostname.endsWith('.localhost') || hostname === '[::1]' || hostname.startsWith('127.')
}

/** As undici matches: `*`, a host, a domain with or without its dot, either with a port. */
function isSkipped(url: string, skips: readonly string[]): boolean {
  const { hostname, port, protocol } = new URL(url)
  const ownPort = port === '' ? (protocol === 'https:' ? '443' : '80') : port
  return skips.some((item) => {
    if (item === '*') return true
    const [, host = item, onlyPort] = /^(.+?):(\d+)$/.exec(item) ?? []
    if (onlyPort !== undefined && onlyPort !== ownPort) return false
    const bare = host.replace(/^\*?\./, '').toLowerCase()
    return hostname.replace(/^\[|\]$/g, '') === bare.replace(/^\[|\]$/g, '') || hostname.endsWith(`.${bare}`)
  })
}

function routesText(context: DoctorContext): string {
  const skips = skipList(context.env)
  const servers = httpServers(context.servers)
  const direct = servers.filter(({ target }) => isSkipped(target.url, skips)).map(({ server }) => server.name)
  if (servers.length === 0) return 'They are well formed.'
  return direct.length === 0 ? 'All HTTP servers are reached through the proxy.' : `Reached directly: ${listText(direct)}; all others through the proxy.`
}
