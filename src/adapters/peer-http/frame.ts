/**
 * An answer is lines: each a sealed frame, numbered from 0, the last one final; an empty line is a sign of life. Frames are
 * bound to the request's nonce, the answering replica and their number, so that an answer without its final frame was cut short.
 */
import type { Keyring } from '../../core/auth/keyring.ts'
import { ERRORS, PortolanError } from '../../protocol/error.ts'
import type { ErrorCode, PortolanErrorOptions } from '../../protocol/error.ts'
import { isJsonObject } from '../../protocol/json-value.ts'

export type Frame =
  /** The call's text is with its owner. */
  | { readonly kind: 'taken' }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'end' }
  /** The owner's answer threw. */
  | { readonly kind: 'failed'; readonly error: PortolanError }
  /** Nothing was done with the request. */
  | { readonly kind: 'refused'; readonly reason: string }

/**
 * Where a frame belongs. `from` is who answers: else a request that was led to another replica as well could be answered by
 * that one's refusal, and would be sent again although it was taken.
 */
export interface FramePlace {
  readonly from: string
  readonly nonce: string
  readonly number: number
}

export const SIGN_OF_LIFE = '\n'

const LETTERS = { taken: '+', message: 'm', end: '.', failed: '!', refused: '-' } as const satisfies Record<Frame['kind'], string>

export function sealFrame(keyring: Keyring, place: FramePlace, frame: Frame): string {
  return `${keyring.seal('replica', boundTo(place), LETTERS[frame.kind] + contentOf(frame))}\n`
}

/** Undefined for a line that is not this frame of this answer. */
export function openFrame(keyring: Keyring, place: FramePlace, line: string): Frame | undefined {
  const plain = keyring.open('replica', boundTo(place), line)
  const content = plain?.slice(1) ?? ''
  switch (plain?.charAt(0)) {
    case LETTERS.taken:
      return { kind: 'taken' }
    case LETTERS.message:
      return { kind: 'message', text: content }
    case LETTERS.end:
      return { kind: 'end' }
    case LETTERS.failed:
      return { kind: 'failed', error: parseError(content) }
    case LETTERS.refused:
      return { kind: 'refused', reason: content }
    default:
      return undefined
  }
}

function boundTo({ from, nonce, number }: FramePlace): string {
  return `frame ${nonce} ${number} ${from}`
}

function contentOf(frame: Frame): string {
  switch (frame.kind) {
    case 'message':
      return frame.text
    case 'failed':
      return errorText(frame.error)
    case 'refused':
      return frame.reason
    default:
      return ''
  }
}

function errorText({ code, message, data, retryAfterSec }: PortolanError): string {
  return JSON.stringify({ code, message, data, retryAfterSec })
}

/** A code that this version does not know is `internal`: a newer replica has it. */
function parseError(text: string): PortolanError {
  const { code, message, data, retryAfterSec }: Record<string, unknown> = JSON.parse(text)
  if (!isErrorCode(code)) return new PortolanError('internal')
  const options: { -readonly [K in keyof PortolanErrorOptions]: PortolanErrorOptions[K] } = {}
  if (typeof message === 'string') options.message = message
  if (typeof retryAfterSec === 'number') options.retryAfterSec = retryAfterSec
  if (isJsonObject(data)) options.data = data
  return new PortolanError(code, options)
}

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ERRORS, code)
}
