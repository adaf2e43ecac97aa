/**
 * Passes on JSON while it arrives, changing the values that a plan names: what leaves is what `splice` would make of the
 * whole text, and what `scanJson` would refuse is a fault. Pure; memory does not grow with the text. After a fault the text that
 * left must not look complete to its reader: the caller breaks the connection off.
 *
 * Measured, MB/s in chunks of 64 KiB, in brackets JSON.parse of the same text (2 shared cores): one long string 1,100 (1,300),
 * not ASCII 760 (1,300), dense in escapes 290 (630); arrays of numbers 100 to 290 (140 to 370), of small objects 150 (180).
 */
import { isAscii } from './json.ts'
import type { WireText } from './json.ts'
import { StreamStop } from './json-stream-plan.ts'
import type { JsonStreamFault, OpenPlan } from './json-stream-plan.ts'
import { createJsonSplicer } from './json-stream-splicer.ts'
import { createJsonTokens, readChunk, readEnd } from './json-stream-tokens.ts'

export interface JsonStreamOptions {
  readonly plan: OpenPlan
  /** Nothing is read or passed on before so many bytes came; until then the whole text is at hand. Default 0. */
  readonly holdBytes?: number
  /** For one value that is replaced or shown, one gap between edited members, all keys of an opened object. Default 256 KiB. */
  readonly keepBytes?: number
  /** Default 128, as in `scanJson`. */
  readonly maxDepth?: number
}

export type JsonStreamStep =
  | { readonly ok: true; readonly out: WireText }
  | { readonly ok: false; readonly fault: JsonStreamFault }

/** The state of one text. A fault is final: each later step repeats it. */
export interface JsonStream {
  /** What may leave now; often the chunk itself. */
  push(chunk: WireText): JsonStreamStep
  /** Call once, after the last chunk. What was held leaves now. */
  end(): JsonStreamStep
  /** Everything that came until the first fault, as long as no step gave any of it out; undefined from then on. */
  original(): WireText | undefined
}

const NOTHING: JsonStreamStep = { ok: true, out: '' }

/** One stream for one JSON text. Throws nothing. */
export function createJsonStream(options: JsonStreamOptions): JsonStream {
  const { plan, holdBytes = 0, keepBytes = 256 * 1024, maxDepth = 128 } = options
  const splicer = createJsonSplicer(plan, keepBytes)
  const tokens = createJsonTokens(splicer, maxDepth)
  let held: WireText[] | undefined = []
  let heldBytes = 0
  /** The bytes of a character whose end has not come. */
  let partial: WireText = ''
  let fault: JsonStreamFault | undefined

  function read(chunk: WireText): WireText {
    if (partial !== '' || !isAscii(chunk)) checkUtf8(chunk)
    splicer.begin(chunk, tokens.offset)
    readChunk(tokens, chunk)
    tokens.offset += chunk.length
    return splicer.finish()
  }

  function checkUtf8(chunk: WireText): void {
    const text = partial + chunk
    const end = wholeCharacters(text)
    if (!isUtf8(text.slice(0, end))) throw new StreamStop({ reason: 'encoding', at: tokens.offset })
    partial = text.slice(end)
  }

  function readLast(): WireText {
    // Half a character stands in a string, if anywhere: the tokens are incomplete too.
    splicer.begin('', tokens.offset)
    readEnd(tokens)
    return splicer.finish()
  }

  function step(chunks: readonly WireText[], isLast: boolean): JsonStreamStep {
    try {
      let out = ''
      for (const chunk of chunks) out = out === '' ? read(chunk) : out + read(chunk)
      if (isLast) out += readLast()
      held = undefined
      return { ok: true, out }
    } catch (error) {
      if (!(error instanceof StreamStop)) throw error
      const isLate = held === undefined && error.fault.reason === 'needs_whole'
      fault = isLate ? { ...error.fault, reason: 'too_late' } : error.fault
      return { ok: false, fault }
    }
  }

  return {
    push(chunk) {
      if (fault !== undefined) return { ok: false, fault }
      if (held === undefined) return step([chunk], false)
      held.push(chunk)
      heldBytes += chunk.length
      return heldBytes < holdBytes ? NOTHING : step(held, false)
    },
    end: () => (fault === undefined ? step(held ?? [], true) : { ok: false, fault }),
    original: () => held?.join(''),
  }
}

/** How much of `text` ends with a whole character, as far as its last four bytes tell. */
function wholeCharacters(text: WireText): number {
  for (let at = text.length - 1; at >= 0 && at >= text.length - 3; at -= 1) {
    const code = text.charCodeAt(at)
    if (code < 0x80) return text.length
    if (code < 0xc0) continue
    const length = code < 0xe0 ? 2 : code < 0xf0 ? 3 : 4
    return at + length > text.length ? at : text.length
  }
  return text.length
}

const UTF8 = new TextDecoder('utf-8', { fatal: true })

function isUtf8(text: WireText): boolean {
  try {
    UTF8.decode(Buffer.from(text, 'latin1'))
    return true
  } catch {
    return false
  }
}
