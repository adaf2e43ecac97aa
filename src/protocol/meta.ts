/** Names within `_meta`, and log levels (S26 basic, `_meta`; server/utilities/logging). */

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

/** Portolan's own (docs/extensions.md). */
export const OWN_META = {
  idempotencyKey: 'dev.portolan/idempotencyKey',
  attempts: 'dev.portolan/attempts',
  failures: 'dev.portolan/failures',
  retriedAs: 'dev.portolan/retriedAs',
} as const

/** What a modern request says of its hop; a session says it by other means. */
export const HOP_META: readonly string[] = [META.protocolVersion, META.clientInfo, META.clientCapabilities, META.logLevel]

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
