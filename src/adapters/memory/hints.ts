/** Hints within one process. Delivered after the publisher's turn, as from another replica; none is lost here. */
import type { Hint, Hints } from '../../core/event/hints.ts'

export function createHints(): Hints {
  const listeners = new Map<string, Set<(hint: Hint) => void>>()

  return {
    publish(hint) {
      if (!listeners.has(hint.topic)) return
      queueMicrotask(() => {
        // A listener that throws takes no hint from the others: each has its own microtask.
        for (const onHint of listeners.get(hint.topic) ?? []) queueMicrotask(() => onHint(hint))
      })
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
