/**
 * How a listener stops to take connections without resetting one. The kernel makes connections by itself, and resets those that nobody took
 * when their socket closes: a balancer has sent its POST on such a one by then, and rightly does not repeat it. libuv takes one connection
 * in a turn of its loop, and none while the callbacks of that turn run. So the sockets are closed after a turn that brought none and was
 * over at once. What comes between its poll and the close is lost: no process can take what it is not told of.
 */
import { Server as NetServer } from 'node:net'
import type { Clock } from '../../core/clock.ts'

const BRIEF_MS = 0.1
/** For so long such a turn is waited for. */
const LIMIT_MS = 500

/** Resolves when nothing is bound any more, with what ends when all connections have; it cuts none. `server.close()` of node:http would, those that were not read yet. */
export function stopAccepting(servers: readonly NetServer[], clock: Clock): Promise<Promise<void>[]> {
  return new Promise((resolve) => afterBriefTurn(servers, clock, () => resolve(servers.map(unbind))))
}

function unbind(server: NetServer): Promise<void> {
  return new Promise((resolve) => void NetServer.prototype.close.call(server, () => resolve()))
}

function afterBriefTurn(servers: readonly NetServer[], clock: Clock, run: () => void): void {
  const limitTicks = clock.ticksMs() + LIMIT_MS
  let turn = { ticks: Number.NEGATIVE_INFINITY, taken: 0 }
  let taken = 0
  const take = (): void => void (taken += 1)
  for (const server of servers) server.on('connection', take)
  // Immediates run right after the poll.
  const look = (): void => {
    const ticks = clock.ticksMs()
    const isOver = (ticks - turn.ticks < BRIEF_MS && taken === turn.taken) || ticks >= limitTicks
    turn = { ticks, taken }
    if (!isOver) return void setImmediate(look)
    for (const server of servers) server.off('connection', take)
    run()
  }
  setImmediate(look)
}
