/**
 * One connection between two replicas, for all their conversations in one direction. What is said in one turn of the event loop leaves as
 * one write, sealed once; long texts go piece by piece, in turns, and no faster than the other side reads. Both sides say every beat
 * that they are there.
 *
 * Time passes in beats that this process has lived through, so that one that was stopped itself does not take what waits for it in
 * the socket for silence.
 */
import type { TLSSocket } from 'node:tls'
import { PIECE_CHARS, createFrameReader, frameText } from './frame.ts'
import type { FrameKind, TakeFrame } from './frame.ts'
import { SILENT } from './unreachable-peers.ts'

export interface Connection {
  /** Leaves in this turn, behind what its conversation has said before. `text` as long as it likes. */
  post(kind: FrameKind, stream: number, text?: string): void
  /** Leaves with what is posted next, or after `SOON_MS`: for a first word that something follows at once as a rule, and that is no write of its own then. */
  postSoon(kind: FrameKind, stream: number): void
  /** What the conversation has said and has not left stays here. */
  drop(stream: number): void
  /** A mark of all that was posted before; `hasLeft` says whether a byte of it may have arrived. */
  mark(): number
  hasLeft(mark: number): boolean
  beat(): void
  /** Nothing is taken or told afterwards but `onClosed`, once. */
  destroy(detail: string): void
  isOpen(): boolean
}

export interface ConnectionOptions {
  readonly socket: TLSSocket
  /** So many beats without a byte mean that the other side is lost. */
  readonly silentBeats: number
  readonly take: TakeFrame
  readonly onClosed: (detail: string) => void
}

const SOON_MS = 2

/** Both ends look so often whether the key of theirs is still in the ring: what was opened with one that leaked must not outlive it. */
export const KEY_BEATS = 60
export const KEY_GONE = 'its key has left the key ring'

interface LongText {
  readonly kind: FrameKind
  readonly text: string
  at: number
}

export function createConnection({ socket, silentBeats, take, onClosed }: ConnectionOptions): Connection {
  let outbox: string[] = []
  /** What waits for its turn, by conversation: the first of each is under way. */
  const waiting = new Map<number, LongText[]>()
  let mark = 1
  let isDue = false
  let isDueSoon = false
  let hasSpoken = false
  let beatsInSilence = 0
  let isClosed = false

  const read = createFrameReader((kind, stream, text) => {
    if (!isClosed) take(kind, stream, text)
  })
  function close(detail: string): void {
    if (isClosed) return
    isClosed = true
    outbox = []
    waiting.clear()
    socket.destroy()
    onClosed(detail)
  }
  function due(): void {
    if (isDue || isClosed) return
    isDue = true
    setImmediate(flush)
  }
  function dueSoon(): void {
    if (isDueSoon || isClosed) return
    isDueSoon = true
    setTimeout(() => {
      isDueSoon = false
      due()
    }, SOON_MS).unref()
  }
  function flush(): void {
    isDue = false
    if (isClosed) return
    if (waiting.size > 0 && !socket.writableNeedDrain) nextPieces()
    if (outbox.length === 0) return
    const text = outbox.length === 1 ? (outbox[0] ?? '') : outbox.join('')
    outbox = []
    mark += 1
    if (socket.write(text, 'latin1') && waiting.size > 0) due()
  }
  /** One piece of each conversation that waits: a short one is not held up by a long one. */
  function nextPieces(): void {
    for (const [stream, texts] of waiting) {
      const [first] = texts
      if (first === undefined) continue
      const { kind, text, at } = first
      const isRest = text.length - at <= PIECE_CHARS
      outbox.push(frameText(isRest ? kind : 'part', stream, text.slice(at, at + PIECE_CHARS)))
      first.at += PIECE_CHARS
      if (isRest && texts.shift() !== undefined && texts.length === 0) waiting.delete(stream)
    }
  }

  /** Whoever holds the key ring may still be of another build: what cannot be read ends the connection, and nothing else. */
  function isRead(chunk: Buffer): boolean {
    try {
      return read(chunk)
    } catch {
      return false
    }
  }

  socket.setNoDelay(true)
  socket.disableRenegotiation()
  socket.on('data', (chunk: Buffer) => {
    beatsInSilence = 0
    if (!isClosed && !isRead(chunk)) close('no frame')
  })
  socket.on('drain', flush)
  socket.on('error', (error: NodeJS.ErrnoException) => close(error.code ?? error.name))
  socket.on('end', () => close('ended'))
  socket.on('close', () => close('closed'))

  return {
    post(kind, stream, text = '') {
      hasSpoken = true
      const before = waiting.get(stream)
      if (before !== undefined) before.push({ kind, text, at: 0 })
      else if (text.length > PIECE_CHARS) waiting.set(stream, [{ kind, text, at: 0 }])
      else outbox.push(frameText(kind, stream, text))
      due()
    },
    postSoon(kind, stream) {
      hasSpoken = true
      outbox.push(frameText(kind, stream, ''))
      dueSoon()
    },
    drop: (stream) => void waiting.delete(stream),
    mark: () => mark,
    hasLeft: (posted) => mark > posted,
    beat() {
      beatsInSilence += 1
      if (beatsInSilence >= silentBeats) return close(SILENT)
      if (!hasSpoken) outbox.push(frameText('beat', 0, ''))
      hasSpoken = false
      due()
    },
    destroy: close,
    isOpen: () => !isClosed,
  }
}
