/** What a worker tells its supervisor, besides hints. */

export interface ReadyMessage {
  readonly kind: 'ready'
  readonly banner: string
}

/** Undefined for any other message. */
export function readyMessage(message: unknown): ReadyMessage | undefined {
  if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== 'ready') return undefined
  return 'banner' in message && typeof message.banner === 'string' ? { kind: 'ready', banner: message.banner } : undefined
}
