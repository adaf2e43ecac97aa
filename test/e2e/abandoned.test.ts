import { expect, it } from 'vitest'
import { abandonSessions } from '../faults/abandoned.ts'

it('5,000 sessions that are abandoned leave nothing behind: memory, sockets and timers stay level', { timeout: 120_000, retry: 1 }, async () => {
  const remains = await abandonSessions(5_000, 10)
  expect([remains.sessions, remains.upstreamSessions]).toEqual([0, 0])
  expect(remains.socketsPerSession).toBeLessThan(0.002)
  expect(remains.timersPerSession).toBeLessThan(0.002)
  // A session is some 10 KB while it lives.
  expect(remains.heapBytesPerSession).toBeLessThan(500)
})
