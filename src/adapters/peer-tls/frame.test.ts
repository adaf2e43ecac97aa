import { describe, expect, it } from 'vitest'
import { PIECE_CHARS, createFrameReader, frameText } from './frame.ts'

const TEXT = frameText('call', 1, 'call\nä') + frameText('beat', 0, '') + frameText('end', 0xffff_fffe, '') + frameText('message', 7, '\0\xff\n')
const FRAMES = ['call 1 call\nä', 'beat 0 ', 'end 4294967294 ', 'message 7 \0\xff\n']

function readAll(...chunks: string[]): { frames: string[]; areRead: boolean[] } {
  const frames: string[] = []
  const read = createFrameReader((kind, stream, text) => frames.push(`${kind} ${stream} ${text}`))
  return { areRead: chunks.map((chunk) => read(Buffer.from(chunk, 'latin1'))), frames }
}

describe('frames between replicas', () => {
  it('stand as they are pinned', () => {
    expect(frameText('call', 0x0102_0304, 'é')).toBe('\x10\x01\x02\x03\x04\0\0\0\x01é')
  })

  it('arrive as they were, wherever they were cut', () => {
    for (let at = 0; at <= TEXT.length; at++) expect(readAll(TEXT.slice(0, at), TEXT.slice(at)).frames, `cut at ${at}`).toEqual(FRAMES)
    expect(readAll(...TEXT).frames).toEqual(FRAMES)
  })

  it('of a kind that is not known are overlooked', () => {
    expect(readAll(`\xf0\0\0\0\x01\0\0\0\x05later${TEXT}`).frames).toEqual(FRAMES)
  })

  it('are none where they say that they are longer than any', () => {
    const { areRead, frames } = readAll(frameText('beat', 0, ''), '\x10\0\0\0\x01\0\x01\x04\x01')
    expect([areRead, frames]).toEqual([[true, false], ['beat 0 ']])
    expect(readAll(frameText('call', 1, 'x'.repeat(PIECE_CHARS))).areRead).toEqual([true])
  })
})
