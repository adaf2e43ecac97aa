/** Replicas that live in one process: for tests, and for the one replica that has no peers. */
import type { PeerLink } from '../../core/gateway/peer-link.ts'
import { PortolanError } from '../../protocol/error.ts'

type Answer = (text: string, signal: AbortSignal) => AsyncIterable<string>

export interface PeerNetwork {
  /** The link of one replica. */
  join(replicaId: string): PeerLink
  /** The replica is gone: nothing reaches it, and what it was answering ends with an error. */
  leave(replicaId: string): void
}

interface Replica {
  readonly answers: Map<string, Answer>
  readonly gone: AbortController
}

export function createPeerNetwork(): PeerNetwork {
  const replicas = new Map<string, Replica>()

  return {
    join(replicaId) {
      const self: Replica = { answers: new Map(), gone: new AbortController() }
      replicas.set(replicaId, self)
      return {
        replicaId,
        async send(target, topic, text) {
          const replica = replicas.get(target)
          const answer = replica?.answers.get(topic)
          if (replica === undefined || answer === undefined) throw unavailable()
          const cancelled = new AbortController()
          const signal = AbortSignal.any([cancelled.signal, replica.gone.signal])
          return {
            messages: relay(answer(text, signal), cancelled.signal, replica.gone.signal),
            cancel: () => cancelled.abort(),
          }
        },
        serve(topic, answer) {
          self.answers.set(topic, answer)
          return () => {
            if (self.answers.get(topic) === answer) self.answers.delete(topic)
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

/** Ends at once when the asker cancels, fails at once when the owner is gone, even where the owner's answer hangs. */
async function* relay(messages: AsyncIterable<string>, cancelled: AbortSignal, gone: AbortSignal): AsyncGenerator<string> {
  const iterator = messages[Symbol.asyncIterator]()
  const stopped = new Promise<'stopped'>((resolve) => {
    const stop = (): void => resolve('stopped')
    if (cancelled.aborted || gone.aborted) stop()
    cancelled.addEventListener('abort', stop, { once: true })
    gone.addEventListener('abort', stop, { once: true })
  })
  try {
    for (;;) {
      const next = await Promise.race([stopped, iterator.next()])
      if (gone.aborted) throw unavailable()
      if (next === 'stopped' || next.done === true) return
      yield next.value
    }
  } finally {
    // Not awaited: an owner that hangs must not hold the asker.
    iterator.return?.().catch(() => {})
  }
}

function unavailable(): PortolanError {
  return new PortolanError('upstream_unavailable', { message: 'The replica that owns this is not reachable' })
}
