/**
 * Lines redrawn in place at the bottom of the terminal, below everything that was written: bars, a live status. Nothing is
 * drawn where standard error is no terminal. The cursor is hidden while something is drawn, and shown again when nothing is,
 * and when the process exits.
 */

import { stripVTControlCharacters } from 'node:util'
import type { OutputStream } from './terminal.ts'
import { textWidth } from './text-width.ts'

/** Some lines at the bottom, of one owner; blocks stand below each other in the order of their opening. */
export interface Block {
  /** Replaces the lines. They may hold colours; they are wrapped by the terminal where they are too wide: cut them before. */
  readonly draw: (lines: readonly string[]) => void
  /** Takes the lines away. */
  readonly close: () => void
}

export interface Footer {
  /** False where nothing is ever drawn: write plain lines instead. */
  readonly canDraw: boolean
  readonly open: () => Block
  /** Runs `write`, which writes `text`, with the footer out of the way. */
  readonly above: (text: string, write: () => void) => void
  /** Hides the footer until the returned function is called. */
  readonly pause: () => () => void
  /** Takes all blocks away and gives the cursor back. */
  readonly close: () => void
}

const FRAME_MS = 50
const HIDE_CURSOR = '\u001b[?25l'
const SHOW_CURSOR = '\u001b[?25h'
const ERASE_BELOW = '\u001b[J'
/** Synchronized output: what is between is shown at once, without flicker; terminals that do not know it ignore it. */
const BEGIN = '\u001b[?2026h'
const END = '\u001b[?2026l'

const NOTHING: Block = { draw: () => {}, close: () => {} }

/** A footer on `stream`, redrawn at most 20 times a second. */
export function createFooter(stream: OutputStream, canDraw: boolean, nowMs: () => number = Date.now): Footer {
  if (!canDraw) return { canDraw, open: () => NOTHING, above: (_text, write) => write(), pause: () => () => {}, close: () => {} }
  return createDrawnFooter(stream, nowMs)
}

function createDrawnFooter(stream: OutputStream, nowMs: () => number): Footer {
  const blocks = new Map<Block, readonly string[]>()
  let drawn: readonly string[] = []
  let isCursorHidden = false
  let pauses = 0
  let isMidLine = false
  let drawnAtMs = 0
  let timer: NodeJS.Timeout | undefined

  const width = (): number => Math.max(1, stream.columns ?? 80)
  /** Rows that a line takes now: a narrower window wraps what was drawn. */
  const rowsOf = (line: string): number => Math.max(1, Math.ceil(textWidth(stripVTControlCharacters(line)) / width()))
  const erasure = (): string => {
    const rows = drawn.reduce((total, line) => total + rowsOf(line), 0)
    return rows === 0 ? '' : `\r\u001b[${rows}A${ERASE_BELOW}`
  }
  /** What the window holds, with a row left for the cursor: what has scrolled away can no longer be erased. */
  const fitting = (lines: readonly string[]): readonly string[] => {
    let left = Math.max(1, (stream.rows ?? 24) - 1)
    const count = lines.findIndex((line) => (left -= rowsOf(line)) < 0)
    return count === -1 ? lines : [...lines.slice(0, Math.max(0, count - 1)), `… ${lines.length - Math.max(0, count - 1)} lines more than fit here`]
  }
  const showCursor = (): string => {
    if (!isCursorHidden) return ''
    isCursorHidden = false
    process.off('exit', clear)
    return SHOW_CURSOR
  }
  const hideCursor = (): string => {
    if (isCursorHidden) return ''
    isCursorHidden = true
    process.on('exit', clear)
    return HIDE_CURSOR
  }
  function clear(): void {
    const text = erasure() + showCursor()
    drawn = []
    if (text !== '') stream.write(text)
  }
  const render = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (pauses > 0 || isMidLine) return
    const lines = fitting([...blocks.values()].flat())
    if (lines.length === 0) return clear()
    drawnAtMs = nowMs()
    const before = erasure()
    drawn = lines
    stream.write(BEGIN + hideCursor() + before + lines.map((line) => `${line}\n`).join('') + END)
  }
  const schedule = (): void => {
    if (timer !== undefined) return
    const waitMs = drawnAtMs + FRAME_MS - nowMs()
    if (waitMs <= 0) render()
    else timer = setTimeout(render, waitMs).unref()
  }
  const onResize = (): void => {
    if (drawn.length > 0) render()
  }

  const open = (): Block => {
    if (blocks.size === 0) stream.on('resize', onResize)
    const block: Block = {
      draw: (lines) => {
        if (!blocks.has(block)) return
        blocks.set(block, [...lines])
        schedule()
      },
      close: () => {
        if (!blocks.delete(block)) return
        if (blocks.size === 0) stream.off('resize', onResize)
        render()
      },
    }
    blocks.set(block, [])
    return block
  }
  const above = (text: string, write: () => void): void => {
    clear()
    write()
    if (text !== '') isMidLine = !text.endsWith('\n')
    if (blocks.size > 0) schedule()
  }
  const pause = (): (() => void) => {
    pauses += 1
    clear()
    let isOver = false
    return () => {
      if (isOver) return
      isOver = true
      pauses -= 1
      if (pauses === 0) render()
    }
  }
  const close = (): void => {
    blocks.clear()
    stream.off('resize', onResize)
    clearTimeout(timer)
    timer = undefined
    clear()
  }
  return { canDraw: true, open, above, pause, close }
}
