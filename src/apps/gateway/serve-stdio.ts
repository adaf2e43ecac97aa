/** One client at the other end of standard input and output, served until it has gone. */

import type { Readable, Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClientStream } from '../../adapters/stdio/client-stream.ts'
import type { Gateway } from '../../core/gateway/create-gateway.ts'
import { PortolanError, toErrorObject, toWire } from '../../protocol/error.ts'
import { asciiJson } from '../../protocol/json.ts'

export interface StdioClient {
  readonly input: Readable
  readonly output: Writable
  readonly maxLineBytes: number
  /** One server or virtual server; '' or not given: all servers as one. */
  readonly endpoint?: string
  /** Ends it where it is. */
  readonly signal: AbortSignal
}

/** A client that closes its end at once, as a shell pipe does, still gets the answers that come within this time. */
const LAST_ANSWERS_MS = 10_000
const QUIET_MS = 200
const TICK_MS = 20

/** Resolves when the client has gone or `signal` came; the gateway stays open. */
export async function serveStdio(gateway: Pick<Gateway, 'stdio' | 'status'>, client: StdioClient): Promise<void> {
  const { signal } = client
  const stream = createClientStream(client)
  const pipe = gateway.stdio(stream.stream, client.endpoint)
  const stopped = new Promise<'stopped'>((resolve) => {
    if (signal.aborted) resolve('stopped')
    else signal.addEventListener('abort', () => resolve('stopped'), { once: true })
  })
  const why = await Promise.race([stream.read((line) => pipe.take(line)), stopped])
  if (why === 'line_too_long') stream.stream.write(refusalText())
  if (why === 'ended') await quiet(gateway, signal)
  pipe.close()
  await stream.flush()
}

function refusalText(): string {
  return asciiJson({ jsonrpc: '2.0', id: null, error: toErrorObject(toWire(new PortolanError('body_too_large'), 'legacy')) })
}

/** Resolves when nothing has been in flight for a moment: messages that wait for the handshake are not counted. */
async function quiet(gateway: Pick<Gateway, 'status'>, signal: AbortSignal): Promise<void> {
  const endAtMs = performance.now() + LAST_ANSWERS_MS
  let quietSinceMs = performance.now()
  while (!signal.aborted && performance.now() < endAtMs && performance.now() - quietSinceMs < QUIET_MS) {
    await sleep(TICK_MS)
    if (gateway.status().inFlight > 0) quietSinceMs = performance.now()
  }
}
