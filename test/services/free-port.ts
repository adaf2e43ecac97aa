/** TCP ports of the loopback interface, for services that have to be told theirs. */
import { connect, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeptProcess } from './kept-process.ts'

const READY_MS = 15_000

/** Nobody listened on it a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve, reject) => server.on('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
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
