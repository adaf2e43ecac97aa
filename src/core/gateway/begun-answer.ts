/** An answer that leaves while its end has not come: JSON in chunks. What is not ended is broken off, so that nobody takes it for whole. */

import type { WireText } from '../../protocol/json.ts'
import type { HttpResponse } from './http-exchange.ts'
import { JSON_HEADERS } from './render.ts'
import type { AnswerWriter } from './reply.ts'

export interface BegunAnswer extends AnswerWriter {
  /** Ends or breaks off; gives the bytes that were written. */
  close(): number
}

/** Sends the head. `response` undefined from when the client has gone: the rest is read to nobody. */
export function beginAnswer(response: () => HttpResponse | undefined): BegunAnswer {
  let written = 0
  let isEnded = false
  response()?.head(200, JSON_HEADERS)
  return {
    write(text: WireText) {
      written += text.length
      return response()?.write(text) ?? true
    },
    end() {
      isEnded = true
    },
    close() {
      if (isEnded) response()?.end()
      else response()?.destroy()
      return written
    },
  }
}
