import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { abandonSessions } from '../faults/abandoned.ts'

const RESULT = fileURLToPath(new URL('../../bench/results/abandoned.json', import.meta.url))

it('100,000 sessions that are abandoned leave nothing behind: memory, sockets and timers stay level', async () => {
  const remains = await abandonSessions(100_000, 50)
  writeFileSync(RESULT, `${JSON.stringify({ at: new Date().toISOString().slice(0, 10), opened: 100_000, ...remains }, null, 1)}\n`)
  expect([remains.sessions, remains.upstreamSessions]).toEqual([0, 0])
  expect(remains.socketsPerSession).toBeLessThan(0.000_1)
  expect(remains.timersPerSession).toBeLessThan(0.000_1)
  expect(remains.heapBytesPerSession).toBeLessThan(32)
})
