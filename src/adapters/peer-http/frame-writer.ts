/** Writes the frames of one answer, no faster than the peer reads, and signs of life between them. */
import type { ServerResponse } from 'node:http'
import type { Keyring } from '../../core/auth/keyring.ts'
import { SIGN_OF_LIFE, sealFrame } from './frame.ts'
import type { Frame } from './frame.ts'

export interface FrameWriter {
  /** Resolves when there is room for another, or nobody reads any more. */
  write(frame: Frame): Promise<void>
  /** The final frame. */
  end(frame: Frame): void
  beat(): void
}

export function createFrameWriter(response: ServerResponse, keyring: Keyring, from: string, nonce: string): FrameWriter {
  let number = 0
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' })

  return {
    async write(frame) {
      if (response.write(sealFrame(keyring, { from, nonce, number: number++ }, frame), 'latin1') || response.destroyed) return
      await new Promise<void>((resolve) => {
        const done = (): void => {
          response.off('drain', done).off('close', done)
          resolve()
        }
        response.on('drain', done).on('close', done)
      })
    },
    end: (frame) => void response.end(sealFrame(keyring, { from, nonce, number }, frame), 'latin1'),
    beat() {
      if (!response.writableNeedDrain && !response.writableEnded) response.write(SIGN_OF_LIFE)
    },
  }
}
