/** What the listener says about itself: fields first, as pino has it. Never a header, a body or a query. */

export interface ListenerLog {
  info(fields: Readonly<Record<string, unknown>>, message: string): void
  warn(fields: Readonly<Record<string, unknown>>, message: string): void
  error(fields: Readonly<Record<string, unknown>>, message: string): void
}
