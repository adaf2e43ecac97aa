/** Who waits for which hint, in this process. */
import type { Hint, Hints } from './hints.ts'

export interface HintListeners extends Pick<Hints, 'subscribe'> {
  /** After the caller's turn. A listener that throws takes no hint from the others. */
  wake(hint: Hint): void
  /** All listeners, each with its own topic. */
  wakeAll(revision: string): void
}

export function createHintListeners(): HintListeners {
  const listeners = new Map<string, Set<(hint: Hint) => void>>()

  function wake(hint: Hint): void {
    if (!listeners.has(hint.topic)) return
    queueMicrotask(() => {
      for (const onHint of listeners.get(hint.topic) ?? []) queueMicrotask(() => onHint(hint))
    })
  }

  return {
    wake,
    wakeAll(revision) {
      for (const topic of listeners.keys()) wake({ topic, revision })
    },
    subscribe(topic, onHint) {
      const own = (hint: Hint): void => {
        if (listeners.get(topic)?.has(own) === true) onHint(hint)
      }
      const onTopic = listeners.get(topic) ?? new Set()
      listeners.set(topic, onTopic.add(own))
      return () => {
        onTopic.delete(own)
        if (onTopic.size === 0 && listeners.get(topic) === onTopic) listeners.delete(topic)
      }
    },
  }
}
