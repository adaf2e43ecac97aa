/** One request to a peer, and the frames of its answer: undici's handler, the opening of lines, and the watch for silence. */
import type { Dispatcher } from 'undici'
import type { Keyring } from '../../core/auth/keyring.ts'
import { createLineFraming } from '../../core/upstream/line-framing.ts'
import type { LineFraming } from '../../core/upstream/line-framing.ts'
import { openFrame } from './frame.ts'
import type { Frame } from './frame.ts'

export interface PeerRequestHandler {
  onFrame(frame: Frame): void
  /** In place of a final frame. `sent`: whether a byte of the request may have arrived. */
  onLost(sent: boolean, detail: string): void
}

export interface PeerRequestOptions {
  readonly keyring: Keyring
  readonly nonce: string
  /** Who must answer. */
  readonly peerId: string
  readonly maxLineBytes: number
  /** How many beats without a byte mean that the peer is lost. */
  readonly silentBeats: number
  readonly handler: PeerRequestHandler
  /** The connection is free or closed. */
  readonly onClosed: () => void
}

export class PeerRequest implements Dispatcher.DispatchHandler {
  #options: PeerRequestOptions
  #controller: Dispatcher.DispatchController | undefined = undefined
  #lines: LineFraming
  #frames = 0
  #silentBeats = 0
  #isPaused = false
  #isOver = false
  #isClosed = false

  constructor(options: PeerRequestOptions) {
    this.#options = options
    this.#lines = createLineFraming(options.maxLineBytes)
  }

  /** undici calls this after a connection was found and before it writes the first byte. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isOver) controller.abort(new Error('given up'))
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    // A status says nothing that could be trusted: whoever holds the key ring answers 200 and seals what it has to say.
    if (status >= 200 && status !== 200) this.#lose(`refused with status ${status}: another key ring, or clocks that are too far apart`)
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#silentBeats = 0
    if (this.#isOver) return
    const lines = this.#lines.push(chunk)
    if (lines === undefined) this.#lose('an answer beyond the limit')
    for (const line of lines ?? []) if (line !== '' && !this.#isOver) this.#take(line)
  }

  onResponseEnd(): void {
    this.#lose('an answer that was cut short')
    this.#close()
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#lose('code' in error ? String(error.code) : error.name)
    this.#close()
  }

  /** No handler is called afterwards. */
  abort(): void {
    this.#isOver = true
    this.#controller?.abort(new Error('given up'))
  }

  pause(): void {
    this.#isPaused = true
    this.#controller?.pause()
  }

  resume(): void {
    this.#isPaused = false
    this.#silentBeats = 0
    this.#controller?.resume()
  }

  /**
   * Time passes in beats that this process has lived through, so that one that was stopped itself does not take what waits for
   * it in the socket for silence.
   */
  beat(): void {
    if (this.#isPaused) return
    this.#silentBeats += 1
    if (this.#silentBeats < this.#options.silentBeats) return
    this.#lose('silent')
    this.#controller?.abort(new Error('silent'))
  }

  #take(line: string): void {
    const { keyring, nonce, peerId, handler } = this.#options
    const frame = openFrame(keyring, { from: peerId, nonce, number: this.#frames }, line)
    if (frame === undefined) return this.#lose('an answer that is not from this peer')
    this.#frames += 1
    this.#isOver = frame.kind !== 'taken' && frame.kind !== 'message'
    handler.onFrame(frame)
  }

  #lose(detail: string): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#options.handler.onLost(this.#controller !== undefined, detail)
    this.#controller?.abort(new Error(detail))
  }

  #close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#options.onClosed()
  }
}
