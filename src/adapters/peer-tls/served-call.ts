/** One conversation, at the replica that is asked: its service, what the asker says further, and its one last word. */
import type { PeerService } from '../../core/gateway/peer-link.ts'
import { createTextQueue } from '../../core/gateway/text-queue.ts'
import type { TextQueue } from '../../core/gateway/text-queue.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Connection } from './connection.ts'
import { writeError } from './told-error.ts'
import { ROOM_CHARS, createRoomTeller, createWindow } from './window.ts'

export interface ServedCall {
  serve(service: PeerService): Promise<void>
  /** The asker's: a further text, or none. */
  more(text: string): void
  last(): void
  room(chars: number): void
  /** The asker does not want it any more, or is gone. Nothing more is said. */
  abort(): void
}

export interface ServedCallOptions {
  readonly connection: Connection
  readonly stream: number
  readonly text: string
  readonly maxTextChars: number
  /** Its last word was said, or will never be. */
  readonly onOver: () => void
}

export function createServedCall({ connection, stream, text, maxTextChars, onOver }: ServedCallOptions): ServedCall {
  const gone = new AbortController()
  let further: TextQueue | undefined
  const window = createWindow()
  const tellRead = createRoomTeller((chars) => connection.post('room', stream, String(chars)))
  let isOver = false

  /** Most askers say nothing further, and most services do not listen. */
  function furtherTexts(): TextQueue {
    further ??= createTextQueue(ROOM_CHARS)
    if (isOver) further.close()
    return further
  }
  const more: AsyncIterable<string> = { [Symbol.asyncIterator]: () => furtherTexts()[Symbol.asyncIterator]() }

  function end(): boolean {
    if (isOver) return false
    isOver = true
    further?.close()
    window.close()
    onOver()
    return true
  }
  async function say(service: PeerService): Promise<void> {
    for await (const message of service(text, gone.signal, more)) {
      if (isOver) return
      if (message.length > maxTextChars) throw new PortolanError('upstream_oversized')
      connection.post('message', stream, message)
      const room = window.add(message.length)
      if (room !== undefined) await room
    }
    if (end()) connection.post('end', stream)
  }

  return {
    async serve(service) {
      connection.postSoon('taken', stream)
      try {
        await say(service)
      } catch (error) {
        if (end()) connection.post('failed', stream, writeError(error instanceof PortolanError ? error : new PortolanError('internal')))
      }
    },
    more(next) {
      const queue = furtherTexts()
      const room = queue.push(next)
      if (queue.isFull()) void room.then(() => tellRead(next.length))
      else tellRead(next.length)
    },
    last: () => furtherTexts().end(),
    room: window.give,
    abort() {
      if (!end()) return
      connection.drop(stream)
      gone.abort()
    },
  }
}
