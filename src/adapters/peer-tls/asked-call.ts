/** One conversation, at the replica that asked: what the owner says of it, and what is said to the owner. */
import type { PeerAnswer } from '../../core/gateway/peer-link.ts'
import { createTextQueue } from '../../core/gateway/text-queue.ts'
import { PortolanError } from '../../protocol/error.ts'
import type { Connection } from './connection.ts'
import type { FrameKind } from './frame.ts'
import { neverDelivered, outcomeUnknown, refused } from './loss.ts'
import { readError } from './told-error.ts'
import { ROOM_CHARS, createRoomTeller, createWindow } from './window.ts'

export interface AskedCall {
  /** As `PeerLink.send` promises. */
  readonly answer: Promise<PeerAnswer>
  /** A frame of its own. */
  take(kind: FrameKind, text: string): void
  /** Its connection is gone. */
  lost(detail: string): void
}

export type Fate = 'taken' | 'refused' | 'unreachable' | 'lost'

export interface AskedCallOptions {
  readonly connection: Connection
  readonly stream: number
  readonly topic: string
  readonly text: string
  readonly maxTextChars: number
  readonly onFate: (fate: Fate) => void
  /** No frame of it is looked for any more. */
  readonly onOver: () => void
}

const CANCELLED = (): PortolanError => neverDelivered('it was cancelled')
const ENDED = (): PortolanError => neverDelivered('the answer has ended')

/** Says it at once. */
export function createAskedCall({ connection, stream, topic, text: first, maxTextChars, onFate, onOver }: AskedCallOptions): AskedCall {
  const { promise, resolve, reject } = Promise.withResolvers<PeerAnswer>()
  const messages = createTextQueue(ROOM_CHARS, cancel)
  const window = createWindow()
  const tellRead = createRoomTeller((chars) => connection.post('room', stream, String(chars)))
  let parts = ''
  /** Made only where somebody asks: an error with its stack costs more than the rest of a call here. */
  let over: (() => PortolanError) | undefined

  function end(why: () => PortolanError): void {
    over = why
    window.close()
    onOver()
  }
  function refuseOver(): void {
    if (over !== undefined) throw over()
  }
  function fail(error: PortolanError): void {
    end(() => error)
    reject(error)
    messages.end(error)
  }
  function cancel(): void {
    messages.close()
    if (over !== undefined) return
    end(CANCELLED)
    connection.drop(stream)
    connection.post('cancel', stream)
  }
  function takeMessage(text: string): void {
    const room = messages.push(text)
    if (messages.isFull()) void room.then(() => tellRead(text.length))
    else tellRead(text.length)
  }
  function overflow(): void {
    onFate('lost')
    fail(outcomeUnknown('an answer beyond the limit'))
    connection.post('cancel', stream)
  }
  function whole(text: string): string {
    const all = parts + text
    parts = ''
    return all
  }

  const posted = connection.mark()
  connection.post('call', stream, `${topic}\n${first}`)
  return {
    answer: promise,
    take(kind, text) {
      if (parts.length + text.length > maxTextChars) return overflow()
      switch (kind) {
        case 'part':
          parts += text
          return
        case 'taken':
          onFate('taken')
          return resolve({ messages, write, end: () => over === undefined && connection.post('last', stream), cancel })
        case 'message':
          return takeMessage(whole(text))
        case 'room':
          return window.give(Number(text))
        case 'end':
          end(ENDED)
          return messages.end()
        case 'failed':
          return fail(readError(whole(text)))
        case 'refused':
          onFate('refused')
          return fail(refused(text))
        case 'cut':
          onFate('lost')
          return fail(outcomeUnknown('the owner ended it'))
        default:
      }
    },
    lost(detail) {
      const hasLeft = connection.hasLeft(posted)
      onFate(hasLeft ? 'lost' : 'unreachable')
      fail(hasLeft ? outcomeUnknown(detail) : neverDelivered(detail))
    },
  }

  async function write(text: string): Promise<void> {
    if (text.length > maxTextChars) throw new PortolanError('body_too_large')
    refuseOver()
    const room = window.add(text.length)
    connection.post('more', stream, text)
    if (room === undefined) return
    await room
    refuseOver()
  }
}
