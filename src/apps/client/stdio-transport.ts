/**
 * A server that is a child process, as the SDK's transport: lines end with \n only (JSON may hold U+2028), the environment is
 * the person's own, Ctrl+C does not reach the child, and it dies with this process, grandchildren included.
 */

import type { JSONRPCMessage, Transport } from '@modelcontextprotocol/client'
import { createSpawner } from '../../adapters/child-process/spawner.ts'
import type { Child } from '../../core/upstream/spawner.ts'
import { ClientError } from './client-error.ts'

export interface StdioTransportOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
  readonly onSent: (message: unknown) => void
  readonly onReceived: (text: string) => void
  /** Each line that the child writes to standard error. */
  readonly onStderrLine: (line: string) => void
}

/** The SDK tells a pipe from HTTP by `pid` and `stderr`. */
export interface StdioTransport extends Transport {
  readonly pid: number
  readonly stderr: null
  /** Why the child is gone; undefined while it runs. */
  readonly ended: () => ClientError | undefined
}

const STOP_GRACE_MS = 2_000
const TAIL_LINES = 5
const MAX_LINE_BYTES = 64 * 1024 * 1024

export function createStdioTransport(options: StdioTransportOptions): StdioTransport {
  const spawner = createSpawner()
  const tail: string[] = []
  let child: Child | undefined
  let ended: ClientError | undefined
  let isClosed = false

  const stdout = createLines((line) => {
    if (line.trim() === '') return
    options.onReceived(line)
    try {
      transport.onmessage?.(JSON.parse(line))
    } catch {
      transport.onerror?.(new Error(`The server wrote a line to standard output that is no JSON: ${line.slice(0, 200)}`))
    }
  })
  const stderr = createLines((line) => {
    tail.push(line)
    if (tail.length > TAIL_LINES) tail.shift()
    options.onStderrLine(line)
  })

  function onExit(exit: { readonly code: number | null; readonly signal: string | null; readonly error: string | undefined }): void {
    stderr.end()
    ended = endOf(options.command, exit, tail)
    if (!isClosed) transport.onerror?.(ended)
    transport.onclose?.()
  }

  const transport: StdioTransport = {
    pid: 0,
    stderr: null,
    ended: () => ended,
    start() {
      child = spawner.spawn(options, { onStdout: stdout.push, onStderr: stderr.push, onDrain: () => undefined, onExit })
      return Promise.resolve()
    },
    send(message: JSONRPCMessage) {
      options.onSent(message)
      if (ended !== undefined) return Promise.reject(ended)
      child?.write(`${Buffer.from(JSON.stringify(message), 'utf8').toString('latin1')}\n`)
      return Promise.resolve()
    },
    async close() {
      isClosed = true
      await child?.stop(STOP_GRACE_MS)
      await spawner.close()
    },
  }
  return transport
}

function endOf(
  command: string,
  exit: { readonly code: number | null; readonly signal: string | null; readonly error: string | undefined },
  tail: readonly string[],
): ClientError {
  const said = tail.length === 0 ? '' : `\nIt wrote last:\n${tail.map((line) => `  ${line}`).join('\n')}`
  if (exit.error !== undefined) {
    return new ClientError('command_failed', `${command} cannot be started: ${exit.error}`, 'Check the command after "--", and that it is in your PATH.')
  }
  const how = exit.signal === null ? `exited with ${exit.code ?? 'no code'}` : `was ended by ${exit.signal}`
  return new ClientError('command_failed', `The server ${command} ${how} before it answered.${said}`, 'Run the command by hand to see why it ends.')
}

/** Splits on \n, whatever the chunks; a line beyond the cap is dropped with all before its end. */
function createLines(onLine: (line: string) => void): { push(chunk: Uint8Array): void; end(): void } {
  let parts: Buffer[] = []
  let size = 0
  const flush = (): void => {
    if (size > 0 && size <= MAX_LINE_BYTES) onLine(Buffer.concat(parts).toString('utf8'))
    parts = []
    size = 0
  }
  return {
    push(chunk) {
      let rest = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
      for (let at = rest.indexOf(10); at !== -1; at = rest.indexOf(10)) {
        parts.push(rest.subarray(0, at))
        size += at
        flush()
        rest = rest.subarray(at + 1)
      }
      size += rest.length
      if (size <= MAX_LINE_BYTES) parts.push(Buffer.from(rest))
      else parts = []
    },
    end: flush,
  }
}
