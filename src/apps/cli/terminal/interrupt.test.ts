import { afterEach, describe, expect, it, vi } from 'vitest'
import { createInterrupt, InterruptedError } from './interrupt.ts'
import type { Interrupt } from './interrupt.ts'

const WAIT_MS = 520
let interrupt: Interrupt | undefined
afterEach(() => {
  interrupt?.close()
  vi.restoreAllMocks()
})

function listening(): { readonly interrupt: Interrupt; readonly exits: number[]; readonly closed: () => number } {
  const exits: number[] = []
  let closed = 0
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    exits.push(Number(code))
    return undefined as never
  })
  interrupt = createInterrupt({ close: () => void (closed += 1) })
  return { interrupt, exits, closed: () => closed }
}

describe('Ctrl-C', () => {
  it('aborts what runs, and names the exit code', () => {
    const { interrupt: one, exits } = listening()
    expect(one.exitCode()).toBeUndefined()
    process.emit('SIGINT')
    expect(one.signal.reason).toBeInstanceOf(InterruptedError)
    expect(one.exitCode()).toBe(130)
    expect(exits).toEqual([])
  })

  it('is one wish though it comes twice at once, as launchers make it', () => {
    const { exits } = listening()
    process.emit('SIGINT')
    process.emit('SIGINT')
    expect(exits).toEqual([])
  })

  it('ends the process at once the second time, with the terminal restored', async () => {
    const { exits, closed } = listening()
    process.emit('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, WAIT_MS))
    process.emit('SIGINT')
    expect(exits).toEqual([143])
    expect(closed()).toBe(1)
  })

  it('is the default of the process again when nobody listens', () => {
    const before = process.listenerCount('SIGINT')
    const { interrupt: one } = listening()
    expect(process.listenerCount('SIGINT')).toBe(before + 1)
    one.close()
    expect(process.listenerCount('SIGINT')).toBe(before)
  })
})
