/**
 * Compiles a configuration into the immutable snapshot that the gateway serves from. References are resolved here and
 * nowhere else; the digest is of the configuration as written, so that it says nothing about what they stand for.
 */

import { createHash } from 'node:crypto'
import { parseEnv } from 'node:util'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { AppSettings, HttpServer, Limits, ServerSnapshot, Snapshot, StdioServer } from '../../core/gateway/snapshot.ts'
import type { RateLimit, ServerLimits } from '../../core/policy/limiter.ts'
import type { BreakerSettings } from '../../core/upstream/breaker.ts'
import type { Result } from '../../protocol/result.ts'
import type { AppBounds } from '../../protocol/app.ts'
import { pathText } from './config-problem.ts'
import type { ConfigProblem } from './config-problem.ts'
import type { Config, ConfiguredServer } from './config.ts'
import { resolveText } from './config-reference.ts'
import type { ReferencePlace, ReferenceScope } from './config-reference.ts'
import { DEFAULTS } from './config-schema.ts'
import type { ServerOptions } from './config-schema.ts'
import type { WrittenHttp, WrittenStdio } from './config-servers.ts'
import { toolTasksOf, writtenTasks } from './config-tasks.ts'
import { compileVirtualServers } from './config-virtual.ts'

/**
 * What a child process gets of Portolan's own environment: what programs need to run at all, to find their caches and to
 * reach the network. Everything else, Portolan's secrets among it, is given to a server only by its `env`.
 */
const INHERITED = [
  'PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'TERM', 'LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR', 'TEMP', 'TMP',
  'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME', 'XDG_STATE_HOME', 'XDG_RUNTIME_DIR',
  'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY', 'http_proxy', 'https_proxy', 'no_proxy', 'all_proxy',
  'NODE_EXTRA_CA_CERTS', 'SSL_CERT_FILE', 'SSL_CERT_DIR', 'NODE_COMPILE_CACHE',
  'APPDATA', 'LOCALAPPDATA', 'PATHEXT', 'PROGRAMFILES', 'SYSTEMDRIVE', 'SYSTEMROOT', 'USERPROFILE', 'COMSPEC',
] as const

/** RFC 9110 §5.6.2. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 §5.5, without obs-text: what every server understands. */
const HEADER_VALUE = /^[\t\x20-\x7e]*$/
/** Set on every request by Portolan itself. */
const OWN_HEADERS = ['host', 'content-length', 'content-type', 'accept', 'connection', 'transfer-encoding', 'mcp-session-id', 'mcp-protocol-version']

/** Never throws. Problems of disabled servers are none: nobody needs their secrets. */
export function compileSnapshot(config: Config, scope: ReferenceScope): Result<Snapshot, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  const servers = config.servers.flatMap((server) => compileServer(server, scope, problems))
  const virtualServers = compileVirtualServers(config, scope, problems)
  const apps = appsOf(config, problems)
  if (problems.length > 0) return { ok: false, fault: problems }
  const { separator = DEFAULTS.separator, pageSize = DEFAULTS.pageSize } = config.portolan
  const limits = limitsOf(config)
  const ratePerPrincipal = rateOf(config)
  const { virtualServers: written = {} } = config.portolan
  // Order counts: it is that of lists and of status.
  const digest = digestOf({ servers: config.servers.map(writtenForm), virtualServers: Object.entries(written), separator, pageSize, limits, ratePerPrincipal, apps })
  return { ok: true, value: deepFreeze({ digest, servers, virtualServers, separator, pageSize, limits, ratePerPrincipal, apps }) }
}

/** What apps may do; undefined where nothing is said. A server that there is not would leave another unbounded: a problem. */
function appsOf({ portolan, servers: configured }: Config, problems: ConfigProblem[]): AppSettings | undefined {
  if (portolan.apps === undefined) return undefined
  const { calls = DEFAULTS.apps.calls, servers = {}, ...bounds } = portolan.apps
  const serverBounds = new Map<string, AppBounds>()
  for (const [written, own] of Object.entries(servers)) {
    const server = configured.find(({ name, key }) => name === written || key === written)
    const path = pathText(['portolan', 'apps', 'servers', written])
    if (server === undefined) problems.push({ path, problem: 'no server has this name', fix: 'Use a name of mcpServers, or remove it' })
    else if (serverBounds.has(server.name)) problems.push({ path, problem: 'this server stands here twice', fix: 'Remove one of them' })
    else serverBounds.set(server.name, own)
  }
  return { calls, bounds: Object.keys(bounds).length === 0 ? undefined : bounds, serverBounds: Object.fromEntries(serverBounds) }
}

/** The limits in force. */
export function limitsOf(config: Config): Limits {
  const { ratePerPrincipal: _rate, ...written } = config.portolan.limits ?? {}
  const given = Object.entries(written).filter(([, value]) => value !== undefined)
  return { ...DEFAULT_LIMITS, ...Object.fromEntries(given) }
}

/** The rate in force; undefined where there is none. */
export function rateOf({ portolan: { limits } }: Config): RateLimit | undefined {
  const { perSec, burst } = limits?.ratePerPrincipal ?? {}
  return perSec === undefined ? undefined : { perSec, burst: burst ?? burstOf(perSec) }
}

/** What a rate lets through in one second, at least one. */
function burstOf(perSec: number): number {
  return Math.max(1, Math.ceil(perSec))
}

/** Everything that decides how a server is reached and treated, without what references stand for. */
function writtenForm(server: ConfiguredServer): unknown {
  return { target: server.target, ...settingsOf(server) }
}

/** The settings of a server, defaults filled in. */
export function settingsOf(server: ConfiguredServer): Omit<ServerSnapshot, 'target'> {
  const { options, name } = server
  const fallback = DEFAULTS.server
  return {
    id: options.id ?? name,
    name,
    enabled: server.enabled && (options.enabled ?? fallback.enabled),
    era: options.era ?? fallback.era,
    share: options.share ?? fallback.share,
    state: options.state ?? fallback.state,
    placement: options.placement ?? fallback.placement,
    trustAnnotations: options.trustAnnotations ?? fallback.trustAnnotations,
    connectTimeoutMs: options.timeouts?.connectMs ?? fallback.timeouts.connectMs,
    requestIdleTimeoutMs: options.timeouts?.requestIdleMs ?? fallback.timeouts.requestIdleMs,
    requestTotalTimeoutMs: options.timeouts?.requestTotalMs ?? fallback.timeouts.requestTotalMs,
    limits: serverLimitsOf(options.limits),
    breaker: breakerOf(options.breaker),
    tasks: toolTasksOf(options.tasks),
  }
}

/** The same as a configuration writes them. */
export function writtenSettings(server: ConfiguredServer): Record<'id' | 'name', string> & { readonly enabled: boolean; readonly [setting: string]: unknown } {
  const { connectTimeoutMs, requestIdleTimeoutMs, requestTotalTimeoutMs, limits, breaker, tasks, ...settings } = settingsOf(server)
  const { exchanges, rate, ...line } = limits ?? { ...DEFAULTS.server.limits, exchanges: undefined, rate: undefined }
  return {
    ...settings,
    timeouts: { connectMs: connectTimeoutMs, requestIdleMs: requestIdleTimeoutMs, requestTotalMs: requestTotalTimeoutMs },
    limits: { exchanges, ...line, ratePerSec: rate?.perSec, burst: rate?.burst },
    breaker: breaker ?? { ...DEFAULTS.server.breaker, failures: 0 },
    ...(tasks === undefined ? {} : { tasks: writtenTasks(tasks) }),
  }
}

function serverLimitsOf({ exchanges, queue, queueMs, ratePerSec, burst }: NonNullable<ServerOptions['limits']> = {}): ServerLimits | undefined {
  // Who waits for nothing needs no line.
  if (exchanges === undefined && ratePerSec === undefined) return undefined
  const fallback = DEFAULTS.server.limits
  const rate = ratePerSec === undefined ? undefined : { perSec: ratePerSec, burst: burst ?? burstOf(ratePerSec) }
  return { exchanges, rate, queue: queue ?? fallback.queue, queueMs: queueMs ?? fallback.queueMs }
}

function breakerOf(written: NonNullable<ServerOptions['breaker']> = {}): BreakerSettings | undefined {
  const given = Object.entries(written).filter(([, value]) => value !== undefined)
  const breaker: BreakerSettings = { ...DEFAULTS.server.breaker, ...Object.fromEntries(given) }
  return breaker.failures === 0 ? undefined : breaker
}

function compileServer(server: ConfiguredServer, scope: ReferenceScope, problems: ConfigProblem[]): ServerSnapshot[] {
  const settings = settingsOf(server)
  if (!settings.enabled) return []
  const resolve = resolverOf(server, scope, problems)
  const { target } = server
  return [{ ...settings, target: target.transport === 'stdio' ? compileStdio(target, resolve, scope) : compileHttp(target, resolve) }]
}

interface Resolve {
  (keys: readonly PropertyKey[], text: string, place?: ReferencePlace): string
  readonly note: (keys: readonly PropertyKey[], problem: string, fix: string) => void
}

/** Resolves the texts of one server; '' where that fails, and then there is a problem. */
function resolverOf(server: ConfiguredServer, scope: ReferenceScope, problems: ConfigProblem[]): Resolve {
  const note = (keys: readonly PropertyKey[], problem: string, fix: string): void => {
    problems.push({ path: pathText([...server.path, ...keys]), problem, fix })
  }
  const resolve = (keys: readonly PropertyKey[], text: string, place: ReferencePlace = 'plain'): string => {
    const resolved = resolveText(text, place, scope)
    if (resolved.ok) return resolved.value
    note(keys, resolved.fault.problem, resolved.fault.fix)
    return ''
  }
  return Object.assign(resolve, { note })
}

function compileStdio(target: WrittenStdio, resolve: Resolve, scope: ReferenceScope): StdioServer {
  const env: Record<string, string> = {}
  for (const name of INHERITED) {
    const value = scope.env[name]
    if (value !== undefined) env[name] = value
  }
  if (target.envFile !== undefined) Object.assign(env, readEnvFile(target.envFile, resolve, scope))
  for (const [name, text] of Object.entries(target.env)) env[name] = resolve(['env', name], text, 'value')
  return {
    transport: 'stdio',
    command: resolve(['command'], target.command),
    args: target.args.map((arg, index) => resolve(['args', index], arg)),
    env,
    cwd: target.cwd === undefined ? undefined : resolve(['cwd'], target.cwd),
  }
}

function readEnvFile(written: string, resolve: Resolve, scope: ReferenceScope): NodeJS.Dict<string> {
  const path = resolve(['envFile'], written)
  try {
    return path === '' ? {} : parseEnv(scope.readFile(path))
  } catch {
    resolve.note(['envFile'], `the file ${path} cannot be read`, 'Create it, or remove envFile')
    return {}
  }
}

function compileHttp(target: WrittenHttp, resolve: Resolve): HttpServer {
  const url = resolve(['url'], target.url)
  if (url !== '' && !isHttpUrl(url)) {
    resolve.note(['url'], 'not an http or https URL', 'Write one such as "https://mcp.example.com/mcp"')
  }
  const headers: Record<string, string> = {}
  for (const [written, text] of Object.entries(target.headers)) {
    const value = resolve(['headers', written], text, 'value').trim()
    const name = written.toLowerCase()
    if (!HEADER_NAME.test(written)) resolve.note(['headers', written], 'not a header name', 'Rename it')
    else if (OWN_HEADERS.includes(name)) resolve.note(['headers', written], 'Portolan sets this header itself', 'Remove it')
    else if (!HEADER_VALUE.test(value)) resolve.note(['headers', written], 'a header cannot hold these characters', 'Use printable ASCII')
    else headers[name] = value
  }
  return { transport: 'http', url, headers }
}

function isHttpUrl(text: string): boolean {
  return URL.canParse(text) && ['http:', 'https:'].includes(new URL(text).protocol)
}

/** SHA-256, hexadecimal, of JSON with sorted member names: the same configuration in another order of keys is the same. */
function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value, sortMembers)).digest('hex')
}

function sortMembers(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1)))
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    Object.values(value).forEach(deepFreeze)
  }
  return value
}
