/**
 * Hints over a wire that comes and goes. What is published while it is away, or while a text is on its way, waits: the latest
 * revision of each topic, within bounds. Whenever it has come back, all subscribers are told that hints may have been lost.
 */
import type { Telemetry } from '../audit/telemetry.ts'
import { createHintListeners } from './hint-listeners.ts'
import { HEAD_BYTES, hintPart, parseHintText, takeHintText } from './hint-text.ts'
import { MISSED } from './hints.ts'
import type { Hints } from './hints.ts'

export interface HintRelay extends Hints {
  /** What the wire brought, one's own texts too. */
  receive(text: string): void
  /** The wire carries. `send` resolves when it has taken the text, and rejects where that is not certain. */
  up(send: (text: string) => Promise<void>): void
  /** It carries no more. */
  down(): void
  isUp(): boolean
}

export interface HintRelayOptions {
  /** Who sends, unlike every other process. */
  readonly from: string
  /** Of one text on the wire. */
  readonly maxTextBytes: number
  readonly telemetry: Telemetry
}

/** Beyond it, what waits for the wire is forgotten, and the others are told so. */
const MAX_PENDING = 10_000

export function createHintRelay({ from, maxTextBytes, telemetry }: HintRelayOptions): HintRelay {
  const listeners = createHintListeners()
  const pending = new Map<string, string>()
  let hasMissed = false
  let send: ((text: string) => Promise<void>) | undefined
  let isFlushing = false
  let number = 0
  for (const labels of [SENT, RECEIVED, IGNORED, GAP]) telemetry.count('portolan_hints_total', labels, 0)

  async function flush(): Promise<void> {
    if (isFlushing) return
    isFlushing = true
    // All that is published in one turn goes in one text.
    await Promise.resolve()
    while (send !== undefined && (pending.size > 0 || hasMissed)) await sendSome(send)
    isFlushing = false
  }
  async function sendSome(over: (text: string) => Promise<void>): Promise<void> {
    const { text, taken } = takeHintText(pending, { from, number: number++, hasMissed }, maxTextBytes)
    const missedBefore = hasMissed
    hasMissed = false
    try {
      await over(text)
      telemetry.count('portolan_hints_total', SENT, taken.length)
    } catch {
      // It may have arrived: a hint that comes twice is harmless, one that is lost is not worth guessing at.
      for (const { topic, revision } of taken) if (!pending.has(topic)) keep(topic, revision)
      hasMissed ||= missedBefore
      if (send === over) send = undefined
    }
  }
  function keep(topic: string, revision: string): void {
    if (hintPart({ topic, revision }).length + HEAD_BYTES > maxTextBytes) hasMissed = true
    else pending.set(topic, revision)
    if (pending.size <= MAX_PENDING) return
    pending.clear()
    hasMissed = true
  }
  function tellMissed(): void {
    telemetry.count('portolan_hints_total', GAP)
    listeners.wakeAll(MISSED)
  }

  return {
    publish(hint) {
      listeners.wake(hint)
      keep(hint.topic, hint.revision)
      void flush()
    },
    subscribe: listeners.subscribe,
    receive(text) {
      const heard = parseHintText(text)
      if (heard === undefined) return telemetry.count('portolan_hints_total', IGNORED)
      if (heard.from === from) return
      telemetry.count('portolan_hints_total', RECEIVED, heard.hints.length)
      for (const hint of heard.hints) listeners.wake(hint)
      if (heard.hasMissed) tellMissed()
    },
    up(over) {
      send = over
      tellMissed()
      void flush()
    },
    down: () => void (send = undefined),
    isUp: () => send !== undefined,
  }
}

const SENT = { what: 'sent' }
const RECEIVED = { what: 'received' }
const IGNORED = { what: 'ignored' }
const GAP = { what: 'gap' }
