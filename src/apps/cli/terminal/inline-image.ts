/**
 * Images shown in the terminal itself: the graphics protocol of Kitty, or the inline files of iTerm2. What is sent is Base64
 * that is made here, of bytes that are an image: a server cannot end the sequence and begin another.
 */

import { imageSize } from './image-size.ts'
import type { Terminal } from './terminal.ts'

export type ImageProtocol = 'kitty' | 'iterm'

const MAX_INLINE_BYTES = 8 * 1_024 * 1_024
const KITTY_CHUNK = 4_096
/** Cells differ; this is on the narrow side, so that an image that fits is never enlarged. */
const PIXELS_PER_COLUMN = 8

/** What the terminal on standard output shows, by its environment; undefined for none, pipes and multiplexers (they swallow images). */
function imageProtocol({ out, env }: Pick<Terminal, 'out' | 'env'>): ImageProtocol | undefined {
  const term = env['TERM'] ?? ''
  const program = env['TERM_PROGRAM'] ?? ''
  if (!out.isTty || term === 'dumb' || /^(?:screen|tmux)/.test(term) || env['TMUX'] !== undefined || env['STY'] !== undefined) return undefined
  if (/kitty|ghostty/.test(term) || program === 'ghostty' || env['KITTY_WINDOW_ID'] !== undefined) return 'kitty'
  return program === 'iTerm.app' || program === 'WezTerm' || env['LC_TERMINAL'] === 'iTerm2' ? 'iterm' : undefined
}

/** The sequence that shows `bytes`, with a line break; undefined where this terminal cannot show them. */
export function inlineImage(terminal: Pick<Terminal, 'out' | 'env'>, bytes: Buffer): string | undefined {
  const protocol = imageProtocol(terminal)
  const size = imageSize(bytes)
  if (protocol === undefined || size === undefined || bytes.length > MAX_INLINE_BYTES) return undefined
  if (protocol === 'iterm') return `\u001b]1337;File=inline=1;size=${bytes.length};preserveAspectRatio=1:${bytes.toString('base64')}\u0007\n`
  if (size.format !== 'png') return undefined
  const columns = terminal.out.width()
  return kittyImage(bytes, size.width > columns * PIXELS_PER_COLUMN ? `,c=${columns}` : '')
}

/** `q=2`: the terminal answers nothing, which would be typed into the next question. */
function kittyImage(bytes: Buffer, scale: string): string {
  const data = bytes.toString('base64')
  let sequence = ''
  for (let at = 0; at < data.length; at += KITTY_CHUNK) {
    const hasMore = at + KITTY_CHUNK < data.length ? 1 : 0
    const control = at === 0 ? `a=T,f=100,q=2${scale},m=${hasMore}` : `q=2,m=${hasMore}`
    sequence += `\u001b_G${control};${data.slice(at, at + KITTY_CHUNK)}\u001b\\`
  }
  return `${sequence}\n`
}
