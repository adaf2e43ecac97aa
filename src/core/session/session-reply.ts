/** The reply to a message of a client that has one pipe for everything: HTTP+SSE (2024-11-05) and stdio. */

import { bodyLength, wholeText } from '../gateway/reply.ts'
import type { Reply } from '../gateway/reply.ts'
import type { SessionStream } from './session-stream.ts'

/** Errors without a JSON-RPC id have no place on a shared pipe where the client could match them: they are sent all the same. */
export function createSessionReply(stream: SessionStream): Reply {
  return {
    send: (text) => stream.write(text),
    onDrain: (run) => stream.onDrain(run),
    suspend() {},
    keepAlive() {},
    finish(answer) {
      if (answer === undefined || answer.text === '') return 0
      stream.write(wholeText(answer))
      return bodyLength(answer)
    },
  }
}
