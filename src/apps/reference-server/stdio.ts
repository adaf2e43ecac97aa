// The reference server over stdio: the first message decides the era of the process.
import { serveStdio as serveStdioEntry } from '@modelcontextprotocol/server/stdio'
import { createConnectionServer } from './server.ts'
import type { ReferenceState } from './state.ts'

/** A serving process. `close` ends open subscriptions with their result; `ended` settles when standard input ends. */
export type StdioHandle = { readonly ended: Promise<void>; readonly close: () => Promise<void> }

/** Serves standard input and output. `log` gets one line without a line end, and must not write to standard output. */
export function serveStdio(state: ReferenceState, log: (line: string) => void): StdioHandle {
  const ended = new Promise<void>((resolve) => {
    process.stdin.once('end', resolve)
    process.stdin.once('close', resolve)
  })
  const handle = serveStdioEntry(({ era }) => createConnectionServer(state, era), { onerror: (error) => log(error.message) })
  return { ended, close: () => handle.close() }
}
