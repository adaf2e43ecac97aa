/** TCP ports of the loopback interface, for services that have to be told theirs. */
import { randomInt } from 'node:crypto'
import { connect, createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeptProcess } from './kept-process.ts'

const READY_MS = 15_000

/** Below those that systems give to connections, by the hundred a second in some tests (Linux from 32768 on, macOS from 49152). */
const PORTS = [10_000, 32_000] as const

/** Nobody listened on it a moment ago; another test process that draws the same one in that moment is accepted. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(...PORTS)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)))
    if (!isFree) continue
    await new Promise((resolve) => server.close(resolve))
    return port
  }
}

/** Resolves when something listens there; otherwise ends the service and says what it wrote. */
export async function listening(port: number, service: KeptProcess): Promise<void> {
  const until = performance.now() + READY_MS
  while (!(await accepts(port))) {
    if (performance.now() > until) {
      await service.stop()
      throw new Error(`It did not start: ${service.output()}`)
    }
    await sleep(20)
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
