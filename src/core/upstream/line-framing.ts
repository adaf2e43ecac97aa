/**
 * Lines out of bytes. Only `\n` ends a line (JSON may hold U+2028; design §6), a `\r` before it is dropped, and no line
 * is longer than the limit, so that a server without newlines costs bounded memory.
 */
import type { WireText } from '../../protocol/json.ts'

export interface LineFraming {
  /** The lines that ended in this chunk. Undefined: one was too long, and nothing after it can be trusted. */
  push(chunk: Uint8Array): readonly WireText[] | undefined
}

const LF = 0x0a
const NONE: readonly WireText[] = []

export function createLineFraming(maxLineBytes: number): LineFraming {
  let rest = ''
  let isBroken = false

  function finish(text: string): WireText {
    const line = rest === '' ? text : rest + text
    rest = ''
    return line.endsWith('\r') ? line.slice(0, -1) : line
  }

  return {
    push(chunk) {
      if (isBroken) return undefined
      const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      let end = bytes.indexOf(LF)
      let lines: WireText[] | undefined
      let from = 0
      while (end !== -1) {
        if (rest.length + end - from > maxLineBytes) {
          isBroken = true
          return undefined
        }
        lines ??= []
        lines.push(finish(bytes.toString('latin1', from, end)))
        from = end + 1
        end = bytes.indexOf(LF, from)
      }
      if (rest.length + bytes.length - from > maxLineBytes) {
        isBroken = true
        rest = ''
        return undefined
      }
      if (from < bytes.length) rest += bytes.toString('latin1', from)
      return lines ?? NONE
    },
  }
}

/** `text` as one line: outside strings, where newlines cannot stand raw, they are white space. */
export function toLine(text: WireText): WireText {
  return text.includes('\n') || text.includes('\r') ? `${text.replace(/[\r\n]/g, ' ')}\n` : `${text}\n`
}
