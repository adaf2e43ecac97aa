/** What a worker and its supervisor tell each other, besides hints and connections. */

export interface ReadyMessage {
  readonly kind: 'ready'
  readonly banner: string
  /** As the other replicas know it. */
  readonly replicaId: string
}

/** Undefined for any other message. */
export function readyMessage(message: unknown): ReadyMessage | undefined {
  if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== 'ready') return undefined
  if (!('banner' in message) || typeof message.banner !== 'string' || !('replicaId' in message) || typeof message.replicaId !== 'string') return undefined
  return { kind: 'ready', banner: message.banner, replicaId: message.replicaId }
}

/** To a worker: it is not to call itself ready any more. */
export const LEAVE = { kind: 'leave' } as const

export function isLeave(message: unknown): boolean {
  return typeof message === 'object' && message !== null && 'kind' in message && message.kind === LEAVE.kind
}
