import { describe, expect, it } from 'vitest'
import type { LedgerRecord } from '../audit/ledger.ts'
import { LiveMap } from '../live-map.ts'
import type { GatewayContext, LogEvent } from './context.ts'
import type { Exchange } from './exchange.ts'
import { finish } from './finish.ts'
import type { FinalAnswer } from './reply.ts'

const fails = (): never => {
  throw new Error('a fault of our own')
}

function end(parts: { readonly answer?: (answer: FinalAnswer | undefined) => number; readonly onFinished?: readonly (() => void)[] }) {
  const records: LedgerRecord[] = []
  const events: LogEvent[] = []
  let released = 0
  const answers: (FinalAnswer | undefined)[] = []
  const reply = {
    finish(answer: FinalAnswer | undefined) {
      answers.push(answer)
      return parts.answer?.(answer) ?? 1
    },
  }
  // Of an exchange and its context only this is asked for here.
  const exchange = { id: 'one', era: 'legacy', text: '', reply, release: () => (released += 1), onFinished: parts.onFinished ?? [] } as unknown as Exchange
  const deps = {
    clock: { ticksMs: () => 1 },
    ledger: { append: (record: LedgerRecord) => records.push(record) },
    telemetry: { observeMs: () => undefined },
    log: (event: LogEvent) => void events.push(event),
  }
  const context = { inFlight: new LiveMap<string, Exchange>(), deps } as unknown as GatewayContext
  expect(finish(context, exchange, { kind: 'accepted', status: 202 })).toBe(true)
  return { records: records.map(({ outcome, status, errorCode }) => [outcome, status, errorCode]), events: events.map(({ event }) => event), released, answers }
}

describe('the end of an exchange', () => {
  it('gives its permit back and is recorded as a failure where the answer cannot be written', () => {
    const { records, events, released, answers } = end({ answer: (answer) => (answer === undefined ? 0 : fails()) })
    expect([records, events, released]).toEqual([[['refused', 0, 'internal']], ['internal_error'], 1])
    expect(answers.at(-1)).toBeUndefined()
  })

  it('runs every duty, whichever of them fails', () => {
    let ran = 0
    const { records, events, released } = end({ onFinished: [fails, () => (ran += 1)] })
    expect([records, events, released, ran]).toEqual([[['accepted', 202, '']], ['internal_error'], 1, 1])
  })
})
