/** Texts between a writer and one reader, in order: the writer is told to wait while too much is unread. */

export interface TextQueue extends AsyncIterable<string> {
  /** Resolves when there is room for more. What comes after the end is dropped. */
  push(text: string): Promise<void>
  /** Whether `push` would let its writer wait now. */
  isFull(): boolean
  /** The reader gets what is there, then the end, or `error` if one is given. */
  end(error?: Error): void
  /** The reader gets nothing more, not even what is there: it is returned. */
  close(): readonly string[]
}

interface End {
  readonly error: Error | undefined
}

/** `roomChars`: how much may be unread before the writer waits; a single longer text passes all the same. */
export function createTextQueue(roomChars: number, onClose: () => void = () => {}): TextQueue {
  let unread: string[] = []
  let unreadChars = 0
  let ended: End | undefined
  let reader: { resolve: (result: IteratorResult<string, undefined>) => void; reject: (error: Error) => void } | undefined
  let writers: (() => void)[] = []

  function admitWriters(): void {
    if (unreadChars > roomChars) return
    const admitted = writers
    writers = []
    for (const resolve of admitted) resolve()
  }
  function settle(waiting: NonNullable<typeof reader>, end: End): void {
    if (end.error === undefined) waiting.resolve({ done: true, value: undefined })
    else waiting.reject(end.error)
    // An error is told once; whoever reads on finds the end.
    ended = { error: undefined }
  }
  function next(): Promise<IteratorResult<string, undefined>> {
    const text = unread.shift()
    if (text !== undefined) {
      unreadChars -= text.length
      admitWriters()
      return Promise.resolve({ done: false, value: text })
    }
    return new Promise((resolve, reject) => {
      if (ended === undefined) reader = { resolve, reject }
      else settle({ resolve, reject }, ended)
    })
  }
  function end(error?: Error): void {
    if (ended !== undefined) return
    ended = { error }
    const waiting = reader
    reader = undefined
    if (waiting !== undefined) settle(waiting, ended)
    // Nobody waits for room any more: what is unread stays readable.
    unreadChars = 0
    admitWriters()
  }
  function close(): readonly string[] {
    const dropped = unread
    unread = []
    end()
    ended = { error: undefined }
    return dropped
  }

  return {
    push(text) {
      if (ended !== undefined) return Promise.resolve()
      if (reader !== undefined) {
        const waiting = reader
        reader = undefined
        waiting.resolve({ done: false, value: text })
        return Promise.resolve()
      }
      unread.push(text)
      unreadChars += text.length
      return unreadChars <= roomChars ? Promise.resolve() : new Promise((resolve) => writers.push(resolve))
    },
    isFull: () => unreadChars > roomChars,
    end,
    close,
    [Symbol.asyncIterator]: () => ({
      next,
      return() {
        close()
        onClose()
        return Promise.resolve({ done: true, value: undefined })
      },
    }),
  }
}
