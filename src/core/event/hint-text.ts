/**
 * Hints as they travel: one text for several, numbered by their sender so that no two texts are alike (PostgreSQL drops
 * one of two equal ones). Replicas of different versions exchange them: members that are not known are ignored, and so is a
 * text of a format that is not known.
 */
import { isJsonObject } from '../../protocol/json-value.ts'
import { FORMATS, isRead } from '../format.ts'
import type { Hint } from './hints.ts'

export interface HintText {
  readonly from: string
  readonly hints: readonly Hint[]
  /** The sender had more hints than it could send. */
  readonly hasMissed: boolean
}

export interface HintTextHead {
  readonly from: string
  readonly number: number
  readonly hasMissed: boolean
}

/** Takes as many of `pending` as fit into `maxBytes`, and removes them from there. */
export function takeHintText(pending: Map<string, string>, { from, number, hasMissed }: HintTextHead, maxBytes: number): { readonly text: string; readonly taken: readonly Hint[] } {
  const start = JSON.stringify({ v: FORMATS.hint.writes, from, n: number, ...(hasMissed ? { missed: true } : {}) }).slice(0, -1)
  const parts: string[] = []
  const taken: Hint[] = []
  let bytes = start.length + MEMBER_BYTES
  for (const [topic, revision] of pending) {
    const part = hintPart({ topic, revision })
    bytes += part.length + 1
    if (bytes > maxBytes) break
    parts.push(part)
    taken.push({ topic, revision })
    pending.delete(topic)
  }
  return { text: `${start},"hints":[${parts.join(',')}]}`, taken }
}

const MEMBER_BYTES = ',"hints":[]}'.length
/** What everything but the hints may take. */
export const HEAD_BYTES = 256

/** ASCII, so that characters are bytes. */
export function hintPart({ topic, revision }: Hint): string {
  return JSON.stringify([topic, revision]).replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Undefined for what is no such text, or of another format. */
export function parseHintText(text: string): HintText | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isJsonObject(value) || !isRead(FORMATS.hint, value['v'])) return undefined
  const { from, hints, missed } = value
  if (typeof from !== 'string' || !Array.isArray(hints)) return undefined
  return { from, hints: hints.flatMap(hintOf), hasMissed: missed === true }
}

function hintOf(value: unknown): readonly Hint[] {
  const [topic, revision]: readonly unknown[] = Array.isArray(value) ? value : []
  return typeof topic === 'string' && typeof revision === 'string' ? [{ topic, revision }] : []
}
