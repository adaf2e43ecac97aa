/**
 * Writing to clients that may not read: what servers announce cannot be paused for one slow reader, so that what waits
 * for it is bounded, and its connection is cut beyond that. It can come back, and resume where its revision lets it.
 */

import type { WireText } from '../../protocol/json.ts'
import type { HttpResponse } from '../gateway/http-exchange.ts'

/** One message of the largest size may wait, whoever reads; more only while less than this does. */
const WAITING_BYTES = 16 * 1024 * 1024

/** As `response.write`: false while the client is slow. */
export function createBoundedWrite(response: HttpResponse): (text: WireText) => boolean {
  let waitingBytes = 0
  const drained = (): void => {
    waitingBytes = 0
  }
  return (text) => {
    if (waitingBytes > WAITING_BYTES) {
      response.destroy()
      return true
    }
    if (response.write(text)) return true
    if (waitingBytes === 0) response.onDrain(drained)
    waitingBytes += text.length
    return false
  }
}
