/** Replicas that live in one process: for tests, and for the one replica that has no peers. */
import type { PeerAnswer, PeerLink, PeerService } from '../../core/gateway/peer-link.ts'
import { createTextQueue } from '../../core/gateway/text-queue.ts'
import type { TextQueue } from '../../core/gateway/text-queue.ts'
import { PortolanError } from '../../protocol/error.ts'

export interface PeerNetwork {
  /** The link of one replica. */
  join(replicaId: string): PeerLink
  /** The replica is gone: nothing reaches it, what it was answering ends with an error, what it asked for is aborted. */
  leave(replicaId: string): void
}

interface Replica {
  readonly services: Map<string, PeerService>
  readonly gone: AbortController
}

const ROOM_CHARS = 65_536

export function createPeerNetwork(): PeerNetwork {
  const replicas = new Map<string, Replica>()

  return {
    join(replicaId) {
      const self: Replica = { services: new Map(), gone: new AbortController() }
      replicas.set(replicaId, self)
      return {
        replicaId,
        async send(target, topic, text) {
          const owner = replicas.get(target)
          const service = owner?.services.get(topic)
          if (owner === undefined || service === undefined || self.gone.signal.aborted) throw neverDelivered()
          return converse(service, text, owner.gone.signal, self.gone.signal)
        },
        serve(topic, service) {
          self.services.set(topic, service)
          return () => {
            if (self.services.get(topic) === service) self.services.delete(topic)
          }
        },
      }
    },
    leave(replicaId) {
      replicas.get(replicaId)?.gone.abort()
      replicas.delete(replicaId)
    },
  }
}

function converse(service: PeerService, text: string, ownerGone: AbortSignal, askerGone: AbortSignal): PeerAnswer {
  const cancelled = new AbortController()
  const cancel = (): void => cancelled.abort()
  const answer = createTextQueue(ROOM_CHARS, cancel)
  const more = createTextQueue(ROOM_CHARS)
  const lost = (): void => answer.end(new PortolanError('outcome_unknown', { message: 'The replica that owns this was lost' }))
  cancelled.signal.addEventListener('abort', () => answer.close(), { once: true })
  ownerGone.addEventListener('abort', lost, { once: true })
  const signal = AbortSignal.any([cancelled.signal, ownerGone, askerGone])
  signal.addEventListener('abort', () => more.close(), { once: true })
  void pump(() => service(text, signal, more), answer, signal).finally(() => {
    more.close()
    ownerGone.removeEventListener('abort', lost)
  })
  return {
    messages: answer,
    async write(further) {
      if (ownerGone.aborted) throw neverDelivered()
      await more.push(further)
    },
    end: () => more.end(),
    cancel,
  }
}

async function pump(texts: () => AsyncIterable<string>, answer: TextQueue, signal: AbortSignal): Promise<void> {
  try {
    for await (const text of texts()) {
      if (signal.aborted) return
      await answer.push(text)
    }
    answer.end()
  } catch (error) {
    answer.end(error instanceof PortolanError ? error : new PortolanError('internal', { cause: error }))
  }
}

function neverDelivered(): PortolanError {
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this is not reachable' })
}
