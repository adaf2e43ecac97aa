/** A configuration for people's eyes: references as references, everything that may be a secret as a mark, never a value. */

import { isReference } from './config-reference.ts'
import { DEFAULTS } from './config-schema.ts'
import { HIDDEN, shownArgs, shownText, shownUrl } from './config-secret.ts'
import { limitsOf, rateOf, writtenSettings } from './config-snapshot.ts'
import type { Config, ConfiguredServer } from './config.ts'
import type { WrittenHttp, WrittenStdio } from './config-servers.ts'

/** What the file says, in the one form that Portolan reads it in. */
export function printable(config: Config): unknown {
  return { mcpServers: serversOf(config), portolan: { ...config.portolan, ...virtualServersOf(config) } }
}

/** The same with every default filled in, and the digest of what is served. */
export function printableResolved(config: Config, digest: string): unknown {
  const { version, listen, auth, separator, pageSize, apps, operations } = config.portolan
  return {
    mcpServers: serversOf(config),
    portolan: {
      version,
      listen: { ...DEFAULTS.listen, ...listen },
      auth: auth ?? DEFAULTS.auth,
      separator: separator ?? DEFAULTS.separator,
      pageSize: pageSize ?? DEFAULTS.pageSize,
      apps: { ...DEFAULTS.apps, ...apps },
      limits: { ...limitsOf(config), ratePerPrincipal: rateOf(config) },
      operations: { socket: DEFAULTS.operations.socket, ...operations },
      servers: Object.fromEntries(config.servers.map((server) => [server.key, optionsOf(server)])),
      ...virtualServersOf(config),
    },
    digest,
  }
}

/** Values of fixed arguments may be secrets. */
function virtualServersOf({ portolan: { virtualServers } }: Config): object {
  return virtualServers === undefined ? {} : { virtualServers: withoutArguments(virtualServers) }
}

function withoutArguments(value: object, isFixed = false): object {
  const shown = (key: string, item: unknown): unknown => {
    if (typeof item === 'string') return isFixed && !isReference(item) ? HIDDEN : item
    return typeof item === 'object' && item !== null ? withoutArguments(item, isFixed || key === 'arguments') : item
  }
  if (Array.isArray(value)) return value.map((item) => shown('', item))
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, shown(key, item)]))
}

function optionsOf(server: ConfiguredServer): unknown {
  const { name: _name, ...settings } = writtenSettings(server)
  return settings
}

function serversOf(config: Config): unknown {
  return Object.fromEntries(config.servers.map(({ key, enabled, target }) => [key, { ...(enabled ? {} : { disabled: true }), ...printableTarget(target) }]))
}

/** Where a server is, secrets hidden. */
export function printableTarget(target: WrittenStdio | WrittenHttp): object {
  if (target.transport === 'http') return { url: shownUrl(target.url), ...present('headers', printableMap(target.headers)) }
  const { command, args, env, envFile, cwd } = target
  return {
    command: shownText(command),
    args: shownArgs(args),
    ...present('env', printableMap(env)),
    ...(envFile === undefined ? {} : { envFile }),
    ...(cwd === undefined ? {} : { cwd }),
  }
}

function present(name: string, map: Readonly<Record<string, string>>): object {
  return Object.keys(map).length === 0 ? {} : { [name]: map }
}

/** Values that only refer to something are shown, all others hidden. */
function printableMap(map: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(map).map(([name, text]) => [name, isReference(text) ? text : HIDDEN]))
}
