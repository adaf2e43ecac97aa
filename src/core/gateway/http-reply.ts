/** The reply to a modern POST: JSON where nothing came before the response, otherwise a stream that ends with it. */

import type { WireText } from '../../protocol/json.ts'
import { SSE_HEADERS, SSE_KEEP_ALIVE, sseText } from '../../protocol/sse.ts'
import { createBoundedWrite } from '../session/bounded-write.ts'
import type { HttpResponse } from './http-exchange.ts'
import { bodyLength, wholeText } from './reply.ts'
import { beginAnswer } from './begun-answer.ts'
import type { BegunAnswer } from './begun-answer.ts'
import type { Reply } from './reply.ts'

export function createHttpReply(response: HttpResponse): Reply {
  let streaming = false
  let written = 0
  let begun: BegunAnswer | undefined
  let write: ((text: WireText) => boolean) | undefined
  const open = (): void => {
    if (streaming) return
    streaming = true
    response.head(200, SSE_HEADERS)
  }
  return {
    send(text) {
      if (begun !== undefined) return true
      open()
      written += text.length
      write ??= createBoundedWrite(response)
      return write(sseText(text))
    },
    onDrain: (run) => response.onDrain(run),
    suspend() {},
    begin() {
      if (streaming) return undefined
      begun = beginAnswer(() => response)
      return begun
    },
    hasBegun: () => begun !== undefined,
    keepAlive() {
      if (begun !== undefined) return
      open()
      response.write(SSE_KEEP_ALIVE)
    },
    finish(answer) {
      if (begun !== undefined) return begun.close()
      if (streaming) {
        if (answer !== undefined) response.write(sseText(wholeText(answer)))
        response.end()
      } else if (answer !== undefined) response.answer(answer.status, answer.headers, answer.text, answer.tail)
      else response.destroy()
      return written + (answer === undefined ? 0 : bodyLength(answer))
    },
  }
}
