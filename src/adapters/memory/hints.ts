/** Hints within one process. Delivered after the publisher's turn, as from another replica; none is lost here. */
import { createHintListeners } from '../../core/event/hint-listeners.ts'
import type { Hints } from '../../core/event/hints.ts'

export function createHints(): Hints {
  const { wake, subscribe } = createHintListeners()
  return { publish: wake, subscribe }
}
