/** Writes of many tasks in one: what comes while a write is under way goes with the next one. Each resolves once it is durable. */

import type { StoredTask } from './stored-task.ts'

interface Waiting {
  readonly task: StoredTask
  readonly resolve: (isWritten: boolean) => void
  readonly reject: (error: unknown) => void
}

/** One write of more would keep others waiting for long. */
const MAX_BATCH = 256
/** At a time: a second one overlaps the wait of the first for the disk. */
const MAX_WRITES = 2

export function createWriteBatch(write: (tasks: readonly StoredTask[]) => Promise<readonly boolean[]>): (task: StoredTask) => Promise<boolean> {
  let waiting: Waiting[] = []
  let writes = 0

  const pump = (): void => {
    if (writes >= MAX_WRITES || waiting.length === 0) return
    const batch = takeBatch()
    writes += 1
    write(batch.map(({ task }) => task))
      .then(
        (written) => batch.forEach(({ resolve }, at) => resolve(written[at] === true)),
        (error: unknown) => batch.forEach(({ reject }) => reject(error)),
      )
      .finally(() => {
        writes -= 1
        pump()
      })
  }
  /** Two changes of one task are not one write: the second waits until the first is known. */
  const takeBatch = (): Waiting[] => {
    const ids = new Set<string>()
    const batch: Waiting[] = []
    const rest: Waiting[] = []
    for (const one of waiting) {
      if (batch.length < MAX_BATCH && !ids.has(one.task.id)) batch.push(one)
      else rest.push(one)
      ids.add(one.task.id)
    }
    waiting = rest
    return batch
  }

  return (task) =>
    new Promise((resolve, reject) => {
      waiting.push({ task, resolve, reject })
      // What others change in the same turn comes along.
      queueMicrotask(pump)
    })
}
