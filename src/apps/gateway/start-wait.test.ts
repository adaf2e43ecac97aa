import { describe, expect, it } from 'vitest'
import { createManualClock } from '../../adapters/memory/clock.ts'
import { createLog } from './log.ts'
import { createStartWait } from './start-wait.ts'

function waiting() {
  const clock = createManualClock()
  const lines: string[] = []
  const log = createLog({ level: 'info', human: false, colour: false, write: (text: string) => void lines.push(text) })
  return { clock, wait: createStartWait(clock, log), lines: () => lines.join('') }
}

describe('the wait of a start', () => {
  it('is told after two seconds, once, with what is known by then', () => {
    const { clock, wait, lines } = waiting()
    wait.on('the database')
    clock.advance(1_999)
    wait.on('the database', 'connection refused')
    expect(lines()).toBe('')
    clock.advance(1)
    wait.on('the database', 'timeout')
    clock.advance(60_000)
    expect(lines().trim().split('\n')).toHaveLength(1)
    expect(JSON.parse(lines())).toMatchObject({ level: 'warn', reason: 'connection refused', message: 'Waiting for the database' })
  })

  it('begins anew with what comes next, and is not told when all is there', () => {
    const { clock, wait, lines } = waiting()
    wait.on('the database')
    clock.advance(1_500)
    wait.on('the lock')
    clock.advance(1_500)
    expect(lines()).toBe('')
    clock.advance(500)
    expect(lines()).toMatch(/Waiting for the lock/)
    wait.on('the keys')
    wait.done()
    clock.advance(60_000)
    expect(lines()).not.toMatch(/keys/)
  })
})
