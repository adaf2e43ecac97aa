/** Names within `_meta`, the grammar of its keys, and log levels (S26 basic, `_meta`; server/utilities/logging). */

/** The keys that the specification and its extensions define. */
export const META = {
  progressToken: 'progressToken',
  protocolVersion: 'io.modelcontextprotocol/protocolVersion',
  clientInfo: 'io.modelcontextprotocol/clientInfo',
  clientCapabilities: 'io.modelcontextprotocol/clientCapabilities',
  logLevel: 'io.modelcontextprotocol/logLevel',
  subscriptionId: 'io.modelcontextprotocol/subscriptionId',
  serverInfo: 'io.modelcontextprotocol/serverInfo',
  /** 2025-11-25 basic/utilities/tasks. */
  relatedTask: 'io.modelcontextprotocol/related-task',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  baggage: 'baggage',
} as const

/** What belongs to one hop and is re-made on every one (bridge-rulings §2). All else in `_meta` is the client's. */
export const HOP_META_KEYS: readonly string[] = [
  META.progressToken, META.protocolVersion, META.clientInfo, META.clientCapabilities, META.subscriptionId, META.serverInfo,
]

/** Every key of Portolan's own begins with this (docs/extensions.md). */
export const OWN_META_PREFIX = 'dev.portolan/'

const LABEL = '[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?'
const NAME = '[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?'
const KEY = new RegExp(`^(?:${LABEL}(?:\\.${LABEL})*/)?(?:${NAME})?$`)
const EXTENSION_ID = new RegExp(`^${LABEL}(?:\\.${LABEL})*/${NAME}$`)

/** Whether a `_meta` key has the form that the specification asks for. Keys that do not are still passed on. */
export function isMetaKey(key: string): boolean {
  return KEY.test(key)
}

/** Extension identifiers: the same grammar, prefix and name required (S26 basic/versioning, Extension Negotiation). */
export function isExtensionId(text: string): boolean {
  return EXTENSION_ID.test(text)
}

const RESERVED_BARE: readonly string[] = [META.progressToken, META.traceparent, META.tracestate, META.baggage]

/** Whether MCP reserves the key: its prefix has `modelcontextprotocol` or `mcp` for the second label. */
export function isReservedMetaKey(key: string): boolean {
  const slash = key.indexOf('/')
  if (slash === -1) return RESERVED_BARE.includes(key)
  const label = key.slice(0, slash).split('.')[1]
  return label === 'modelcontextprotocol' || label === 'mcp'
}

/** Least severe first (RFC 5424). */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const
/** One of `LOG_LEVELS`. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Whether a received value is one of the eight. */
export function isLogLevel(value: unknown): value is LogLevel {
  return LOG_LEVELS.some((level) => level === value)
}

/** Whether a message of `level` goes to who asked for `minimum` and above. */
export function reachesLogLevel(level: LogLevel, minimum: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(minimum)
}

/** What a client chose to tell its progress notifications apart. */
export type ProgressToken = string | number

/** A string or an integer (S26 basic/patterns/progress). */
export function isProgressToken(value: unknown): value is ProgressToken {
  return typeof value === 'string' || (typeof value === 'number' && Number.isInteger(value))
}
