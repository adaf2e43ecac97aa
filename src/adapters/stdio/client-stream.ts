/**
 * A client at the other end of standard input and output: lines in, lines out. Only `\n` ends a line, and what is written
 * to the output is protocol and nothing else.
 */

import type { Readable, Writable } from 'node:stream'
import type { SessionStream } from '../../core/session/session-stream.ts'
import { createLineFraming, toLine } from '../../core/upstream/line-framing.ts'

export interface ClientStreamOptions {
  readonly input: Readable
  readonly output: Writable
  /** A longer line ends the conversation: nothing after it can be trusted. */
  readonly maxLineBytes: number
}

export interface ClientStream {
  readonly stream: SessionStream
  /** Hands every line over; resolves when the client has gone, with why. */
  read(onLine: (line: string) => void): Promise<'ended' | 'line_too_long' | 'too_slow'>
  /** Resolves when what was written has left. */
  flush(): Promise<void>
}

/** What may wait for a client that does not read. Servers' announcements and long answers cannot be held back by its silence. */
const WAITING_BYTES = 16 * 1024 * 1024

/** The client's writing is held back while it does not read what it is told; beyond a bound its end of the output is given up. */
export function createClientStream({ input, output, maxLineBytes }: ClientStreamOptions): ClientStream {
  const framing = createLineFraming(maxLineBytes)
  const tooSlow = Promise.withResolvers<'too_slow'>()
  return {
    stream: {
      write: (text) => {
        if (output.writableLength > WAITING_BYTES) {
          tooSlow.resolve('too_slow')
          output.destroy()
        }
        if (output.destroyed) return true
        const isFlowing = output.write(toLine(text), 'latin1')
        if (!isFlowing && !input.isPaused()) {
          input.pause()
          output.once('drain', () => input.resume())
        }
        return isFlowing
      },
      keepAlive: () => undefined,
      onDrain: (run) => void output.once('drain', run),
      end: () => undefined,
    },
    read: (onLine) =>
      new Promise((resolve) => {
        input.on('data', (chunk: Buffer) => {
          const lines = framing.push(chunk)
          if (lines === undefined) resolve('line_too_long')
          else for (const line of lines) if (line !== '') onLine(line)
        })
        for (const gone of ['end', 'close', 'error']) input.once(gone, () => resolve('ended'))
        output.on('error', () => resolve('ended'))
        void tooSlow.promise.then(resolve)
      }),
    flush: () => new Promise((resolve) => (output.writable ? output.write('', () => resolve()) : resolve())),
  }
}
