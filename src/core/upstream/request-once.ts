/** A single request as a promise, for what Portolan itself asks a server: probes and handshakes. */
import type { WireText } from '../../protocol/json.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import type { Clock } from '../clock.ts'
import type { CallControl, Channel, ChannelFailure } from './channel.ts'
import type { HeaderPairs } from './header-pairs.ts'

export type Answer = { readonly ok: true; readonly message: Message } | { readonly ok: false; readonly failure: ChannelFailure }

export interface OnceRequest {
  readonly text: WireText
  readonly idText: IdText
  readonly method: string
  readonly headers: HeaderPairs
  readonly timeoutMs: number
  /** Once this has settled, no more than `hurryMs` is waited. */
  readonly hurry?: Promise<unknown>
  readonly hurryMs?: number
}

/** Sends it and waits for the response, a failure, or the time's end (`timeout`; the call is then given up). Never rejects. */
export function requestOnce(channel: Pick<Channel, 'send'>, clock: Clock, request: OnceRequest): Promise<Answer> {
  const { text, idText, method, headers, timeoutMs, hurry, hurryMs = timeoutMs } = request
  return new Promise((resolve) => {
    let control: CallControl | undefined
    let isOver = false
    const giveUp = (): void => {
      control?.abort('timeout')
      settle({ ok: false, failure: { reason: 'timeout', sent: true, detail: `no answer to ${method} in time` } })
    }
    const stopTimer = clock.after(timeoutMs, giveUp)
    let stopHurry: (() => void) | undefined
    void hurry?.finally(() => {
      if (!isOver) stopHurry = clock.after(hurryMs, giveUp)
    })
    function settle(answer: Answer): void {
      isOver = true
      stopTimer()
      stopHurry?.()
      resolve(answer)
    }
    control = channel.send({
      text,
      idText,
      method,
      progressToken: '',
      headers,
      handler: {
        onMessage: () => true,
        onResponse: (message) => settle({ ok: true, message }),
        onFailure: (failure) => settle({ ok: false, failure }),
      },
    })
  })
}
