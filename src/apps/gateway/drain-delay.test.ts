import { describe, expect, it } from 'vitest'
import { drainDelayMsOf } from './drain-delay.ts'

const FILE = { version: 1, listen: { drainDelayMs: 7_000 } } as const

describe('the drain delay', () => {
  it('is none where nobody asks for one', () => {
    expect(drainDelayMsOf({}, {}, { version: 1 })).toBe(0)
    expect(drainDelayMsOf({}, { PORTOLAN_DRAIN_DELAY: '' }, { version: 1 })).toBe(0)
  })

  it.each([['0', 0], ['0s', 0], ['500ms', 500], ['15s', 15_000], ['1.5s', 1_500], ['2m', 120_000], ['10m', 600_000]])('reads %s as a time', (text, delayMs) => {
    expect(drainDelayMsOf({ drainDelay: text }, {}, FILE)).toBe(delayMs)
  })

  it('is what the command line says, else the environment, else the configuration', () => {
    expect(drainDelayMsOf({ drainDelay: '1s' }, { PORTOLAN_DRAIN_DELAY: '2s' }, FILE)).toBe(1_000)
    expect(drainDelayMsOf({}, { PORTOLAN_DRAIN_DELAY: '2s' }, FILE)).toBe(2_000)
    expect(drainDelayMsOf({}, {}, FILE)).toBe(7_000)
  })

  it.each(['15', '-1s', '1h', 's', '1.5', '11m', '1e3s', 'soon', '99999999999s'])('refuses %s', (text) => {
    expect(() => drainDelayMsOf({ drainDelay: text }, {}, FILE)).toThrow(/--drain-delay: .* is no time from 0 to 10m\. Give it as 500ms, 15s or 2m/)
  })
})
