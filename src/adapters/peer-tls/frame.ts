/**
 * What stands on a connection between replicas, inside TLS: frames of a kind, the number of the conversation that they belong to (0: the
 * connection itself), a length, and wire text, one byte a character. Each side has its own kinds. A text of more than `PIECE_CHARS` goes in
 * several: `part`, `part`, and the rest as what it is.
 */

/** In the order of a conversation. `room` says how many characters the other side's reader has taken. */
const BYTES = {
  hello: 1, welcome: 2, beat: 3, closing: 4, refused: 5,
  call: 16, more: 17, last: 18, cancel: 19,
  taken: 32, message: 33, end: 34, failed: 35, cut: 36,
  part: 48, room: 49,
} as const
export type FrameKind = keyof typeof BYTES

const KINDS: ReadonlyMap<number, FrameKind> = new Map(Object.entries(BYTES).map(([kind, byte]) => [byte, kind as FrameKind]))
const HEAD_BYTES = 9
export const PIECE_CHARS = 65_536
/** A piece, and the name of a topic before it. */
const MAX_TEXT_BYTES = PIECE_CHARS + 1_024
export const MAX_STREAM = 0xffff_ffff

export type TakeFrame = (kind: FrameKind, stream: number, text: string) => void

export function frameText(kind: FrameKind, stream: number, text: string): string {
  return `${String.fromCharCode(BYTES[kind])}${uint32(stream)}${uint32(text.length)}${text}`
}

function uint32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

/** Takes chunks as they come, and overlooks kinds that it does not know: a later version has them. False: what follows is no frame. */
export function createFrameReader(take: TakeFrame): (chunk: Buffer) => boolean {
  let rest: Buffer | undefined
  return (chunk) => {
    const bytes = rest === undefined ? chunk : Buffer.concat([rest, chunk])
    rest = undefined
    let at = 0
    while (bytes.length - at >= HEAD_BYTES) {
      const length = bytes.readUInt32BE(at + 5)
      if (length > MAX_TEXT_BYTES) return false
      const end = at + HEAD_BYTES + length
      if (end > bytes.length) break
      const kind = KINDS.get(bytes[at] ?? 0)
      if (kind !== undefined) take(kind, bytes.readUInt32BE(at + 1), length === 0 ? '' : bytes.toString('latin1', at + HEAD_BYTES, end))
      at = end
    }
    if (at < bytes.length) rest = bytes.subarray(at)
    return true
  }
}
