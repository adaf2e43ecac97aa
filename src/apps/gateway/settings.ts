/**
 * Flags over configuration over defaults: what a process was asked to be, checked as a whole. What would expose an open or
 * clear-text listener to other machines is refused here, with what to do.
 */

import { resolve } from 'node:path'
import { createHostCheck, isLoopback } from '../../adapters/http/allowed-host.ts'
import type { ListenTarget } from '../../adapters/http/bind.ts'
import { createCors } from '../../adapters/http/cors.ts'
import { createForwarding } from '../../adapters/http/forwarding.ts'
import type { HttpListenerOptions } from '../../adapters/http/listener.ts'
import type { Result } from '../../protocol/result.ts'
import type { ConfigProblem } from './config-problem.ts'
import type { PortolanOptions } from './config-schema.ts'
import { DEFAULTS } from './config-schema.ts'

/** What the command line says; it wins over the file. */
export interface Flags {
  readonly host?: string
  readonly port?: number
  readonly auth?: 'token' | 'none'
}

export interface Settings {
  readonly auth: 'token' | 'none'
  readonly listener: Omit<HttpListenerOptions, 'limits'>
  readonly operations: {
    /** Of the unix socket. */
    readonly socketPath: string
    /** The same over TCP on loopback, where asked for. */
    readonly tcp: ListenTarget | undefined
    /** Where operators reach all workers, for one of them. */
    readonly frontPath?: string
  }
}

/** Never throws. `folder` is the configuration file's, for relative paths in it. */
export function readSettings(
  options: PortolanOptions,
  flags: Flags,
  paths: { readonly folder: string; readonly operationsSocket: string },
): Result<Settings, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = []
  const auth = flags.auth ?? options.auth ?? DEFAULTS.auth
  const target = listenTarget(options, flags, paths.folder, problems)
  checkExposure(target, auth, options, problems)
  checkValues(listenerOptions(options, paths.folder), problems)
  const operations = options.operations ?? {}
  const operationsHost = operations.host ?? DEFAULTS.operations.host
  if (!isLoopback(operationsHost)) {
    problems.push({
      path: 'portolan.operations.host',
      problem: 'not a loopback address: status and metrics ask for no token',
      fix: 'Use 127.0.0.1, and let a collector on this machine fetch them',
    })
  }
  if (operations.host !== undefined && operations.port === undefined) {
    problems.push({ path: 'portolan.operations.port', problem: 'missing', fix: 'Say on which port, or remove host' })
  }
  const socketPath = operations.socket === undefined ? paths.operationsSocket : resolve(paths.folder, operations.socket)
  checkSocketPath(socketPath, 'portolan.operations.socket', problems)
  if ('socketPath' in target) checkSocketPath(target.socketPath, 'portolan.listen.socket', problems)
  if (problems.length > 0) return { ok: false, fault: problems }
  return {
    ok: true,
    value: {
      auth,
      listener: { listen: target, ...listenerOptions(options, paths.folder) },
      operations: {
        socketPath,
        tcp: operations.port === undefined ? undefined : { host: operationsHost, port: operations.port },
      },
    },
  }
}

function listenTarget(options: PortolanOptions, flags: Flags, folder: string, problems: ConfigProblem[]): ListenTarget {
  const listen = options.listen ?? {}
  const asksForTcp = flags.host !== undefined || flags.port !== undefined
  if (listen.socket !== undefined && !asksForTcp) {
    if (listen.host !== undefined || listen.port !== undefined) {
      problems.push({ path: 'portolan.listen.socket', problem: 'given beside a host or port', fix: 'Keep one of them' })
    }
    return { socketPath: resolve(folder, listen.socket) }
  }
  const { host, port } = DEFAULTS.listen
  return { host: flags.host ?? listen.host ?? host, port: flags.port ?? listen.port ?? port }
}

function listenerOptions(options: PortolanOptions, folder: string): Omit<HttpListenerOptions, 'limits' | 'listen'> {
  const { tls, publicUrl, allowedHosts, allowedOrigins, trustedProxies, forwardedHeaders } = options.listen ?? {}
  return {
    ...(tls === undefined ? {} : { tls: { certFile: resolve(folder, tls.cert), keyFile: resolve(folder, tls.key) } }),
    ...(publicUrl === undefined ? {} : { publicUrl }),
    ...(allowedHosts === undefined ? {} : { allowedHosts }),
    ...(allowedOrigins === undefined ? {} : { allowedOrigins }),
    ...(trustedProxies === undefined ? {} : { trustedProxies }),
    ...(forwardedHeaders === undefined ? {} : { forwardedHeaders }),
  }
}

/** What `sun_path` holds on every system, its NUL apart: 104 bytes on macOS, 108 on Linux. */
export const MAX_SOCKET_PATH_BYTES = 103

function checkSocketPath(path: string, setting: string, problems: ConfigProblem[]): void {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return
  problems.push({ path: setting, problem: `${path} is too long for a unix socket`, fix: `Choose a path of at most ${MAX_SOCKET_PATH_BYTES} bytes` })
}

/** What the listener itself would refuse, as problems with a path. Its messages begin with the name of the setting. */
function checkValues(options: Omit<HttpListenerOptions, 'limits' | 'listen'>, problems: ConfigProblem[]): void {
  const checks = [() => createHostCheck({ ...options, boundHost: '' }), () => createForwarding(options, false), () => createCors(options)]
  for (const check of checks) {
    try {
      check()
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      const [, name, problem] = /^(\w+): ([^]*)$/.exec(error.message) ?? [undefined, 'listen', error.message]
      problems.push({ path: `portolan.listen.${name}`, problem: problem ?? '', fix: 'See docs/configuration.md for what may stand here' })
    }
  }
}

/** Tokens must not cross a network in the clear, and an open gateway must not be reachable from one (design §6). */
function checkExposure(target: ListenTarget, auth: 'token' | 'none', options: PortolanOptions, problems: ConfigProblem[]): void {
  if ('socketPath' in target || isLoopback(target.host)) return
  const listen = options.listen ?? {}
  if (auth === 'none') {
    problems.push({
      path: 'portolan.auth',
      problem: `"none" on ${target.host} would let everybody on the network in`,
      fix: 'Use token, or listen on 127.0.0.1',
    })
  }
  if (listen.tls === undefined && (listen.trustedProxies ?? []).length === 0) {
    problems.push({
      path: 'portolan.listen.host',
      problem: `${target.host} can be reached from other machines, and tokens would travel in the clear`,
      fix: 'Set portolan.listen.tls, or name the proxy that ends TLS in portolan.listen.trustedProxies, or listen on 127.0.0.1',
    })
  }
  if (['0.0.0.0', '::'].includes(target.host) && listen.publicUrl === undefined && listen.allowedHosts === undefined) {
    problems.push({
      path: 'portolan.listen.publicUrl',
      problem: `missing: ${target.host} does not say by which name clients reach it`,
      fix: 'Set portolan.listen.publicUrl or portolan.listen.allowedHosts',
    })
  }
}
