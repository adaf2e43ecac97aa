import { describe, expect, it } from 'vitest'
import { workerCountOf } from './worker-count.ts'

describe('how many workers there are', () => {
  it('is one where nothing is said, else what the flag says, else what the environment says', () => {
    expect(workerCountOf(undefined, {}, 'linux', 8)).toBe(1)
    expect(workerCountOf(undefined, { PORTOLAN_WORKERS: '3' }, 'linux', 8)).toBe(3)
    expect(workerCountOf('2', { PORTOLAN_WORKERS: '3' }, 'linux', 8)).toBe(2)
    expect(workerCountOf('auto', {}, 'linux', 8)).toBe(8)
    expect(workerCountOf('256', {}, 'darwin', 8)).toBe(256)
  })

  it.each(['0', '-1', '1.5', '257', 'many', '', '1e2', '02'])('is refused as %j, with what may be given', (text) => {
    expect(() => workerCountOf(text, {}, 'linux', 8)).toThrow(/--workers: .*is no number of workers\. Give a number from 1 to 256, or auto/)
  })

  it('is one on Windows', () => {
    expect(workerCountOf('1', {}, 'win32', 8)).toBe(1)
    expect(() => workerCountOf('auto', {}, 'win32', 8)).toThrow(/Windows/)
  })
})
