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
  read(onLine: (line: string) => void): Promise<'ended' | 'line_too_long'>
  /** Resolves when what was written has left. */
  flush(): Promise<void>
}

/** The client's writing is held back while it does not read what it is told. */
export function createClientStream({ input, output, maxLineBytes }: ClientStreamOptions): ClientStream {
  const framing = createLineFraming(maxLineBytes)
  return {
    stream: {
      write: (text) => {
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
      }),
    flush: () => new Promise((resolve) => (output.writable ? output.write('', () => resolve()) : resolve())),
  }
}
