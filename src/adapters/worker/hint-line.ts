/** The way of hints between a worker and its supervisor, over the channel that node:child_process opens between the two. */

export interface HintLine {
  /** Resolves when the channel has taken it, rejects where the other end is gone. In order. */
  send(text: string): Promise<void>
  /** What the other end sends, from now on. */
  onText(take: (text: string) => void): void
}

/** The process, or the worker as its supervisor has it. */
export interface Channel {
  send?(message: object, handle: undefined, options: undefined, done: (error: Error | null) => void): boolean
  on(event: 'message', take: (message: unknown) => void): unknown
}

/** Other messages may pass beside it. */
export function hintLineOver(channel: Channel): HintLine {
  return {
    send: (text) =>
      new Promise((resolve, reject) => {
        const done = (error: Error | null): void => (error === null ? resolve() : reject(error))
        if (channel.send === undefined) reject(new Error('There is no supervisor'))
        else channel.send({ kind: KIND, text }, undefined, undefined, done)
      }),
    onText(take) {
      channel.on('message', (message) => {
        if (typeof message !== 'object' || message === null || !('kind' in message) || message.kind !== KIND) return
        if ('text' in message && typeof message.text === 'string') take(message.text)
      })
    },
  }
}

const KIND = 'hints'
