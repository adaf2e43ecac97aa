/**
 * Tasks as they change, as Server-Sent Events. Each connection begins with all that wait and `synced`, so that whoever was away knows
 * where things stand; no event has an id, because there is nothing to go on from.
 */

import type { TaskChange, TaskWatch } from '../../core/task/task-watch.ts'
import type { Clock } from '../../core/clock.ts'
import { SSE_KEEP_ALIVE, sseText } from '../../protocol/sse.ts'
import { rowOf } from './task-resource.ts'

export interface TaskEventsOptions {
  readonly clock: Clock
  /** False ends the stream at its next look. */
  readonly isStillWelcome: () => boolean
  /** Ends it at once. */
  readonly signal: AbortSignal
  readonly onEnd: () => void
}

const LOOK_MS = 1_000
const KEEP_ALIVE_MS = 15_000
/** For `EventSource`: when to come back. */
const RETRY = 'retry: 1000\n\n'

/** Read as fast as the client takes it: nothing is looked for meanwhile, and nothing piles up. */
export function taskEvents(watch: TaskWatch, { clock, isStillWelcome, signal, onEnd }: TaskEventsOptions): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let isFirst = true
  let isOver = false
  let isCancelled = false
  let cut: (() => void) | undefined
  let silentSinceTicks = clock.ticksMs()
  const end = (): void => {
    if (isOver) return
    isOver = true
    signal.removeEventListener('abort', end)
    watch.close()
    onEnd()
    cut?.()
  }
  const pause = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(LOOK_MS, resolve)
      cut = () => {
        cancel()
        resolve()
      }
    })
  /** '' where there is nothing to say. */
  const next = async (): Promise<string> => {
    // The store is away: the next look tells of what this one would have.
    const changes = await watch.look().catch(() => undefined)
    if (changes !== undefined && isFirst) {
      isFirst = false
      return `${RETRY}${changes.map(eventText).join('')}${sseText('{}', '', 'synced')}`
    }
    const text = (changes ?? []).map(eventText).join('')
    return text === '' && clock.ticksMs() - silentSinceTicks >= KEEP_ALIVE_MS ? SSE_KEEP_ALIVE : text
  }
  signal.addEventListener('abort', end, { once: true })

  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      while (!isOver && !signal.aborted && isStillWelcome()) {
        if (!isFirst) await pause()
        const text = isOver ? '' : await next()
        if (text !== '' && !isOver) {
          silentSinceTicks = clock.ticksMs()
          return controller.enqueue(encoder.encode(text))
        }
        if (isFirst && !isOver) await pause()
      }
      end()
      if (!isCancelled) controller.close()
    },
    cancel() {
      isCancelled = true
      end()
    },
  })
}

function eventText(change: TaskChange): string {
  return change.kind === 'changed' ? sseText(JSON.stringify(rowOf(change.task)), '', 'task') : sseText(JSON.stringify({ id: change.id }), '', 'gone')
}
