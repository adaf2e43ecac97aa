import { expect, it } from 'vitest'
import { abandonSessions } from '../faults/abandoned.ts'

it('2,000 sessions that are abandoned leave nothing behind: memory, sockets and timers stay level', { timeout: 180_000 }, async () => {
  const remains = await abandonSessions(2_000, 10)
  expect([remains.sessions, remains.upstreamSessions]).toEqual([0, 0])
  expect(remains.socketsPerSession).toBeLessThan(0.002)
  expect(remains.timersPerSession).toBeLessThan(0.002)
  // A session is some 10 KB while it lives; test/long/abandoned.test.ts sees what is much less.
  expect(remains.heapBytesPerSession).toBeLessThan(1_000)
})
