// Starts the reference server as a process of its own, over HTTP; names the command that serves it over stdio.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { REFERENCE_MAIN } from './compiled.ts'

const STOP_TIMEOUT_MS = 20_000

/** The command that serves the reference server over stdio. */
export const REFERENCE_SERVER_COMMAND = { command: process.execPath, args: [REFERENCE_MAIN] }

/** A running reference server. `stop` sends `SIGTERM`, and resolves with the exit code (null: it had to be killed). */
export type ReferenceServerProcess = { readonly url: string; readonly pid: number; readonly stop: () => Promise<number | null> }

/** Starts the server on a free port and waits for its URL. `args` are added to the command line. */
export async function startReferenceServer(args: readonly string[] = []): Promise<ReferenceServerProcess> {
  const child = spawn(process.execPath, [REFERENCE_MAIN, '--port', '0', ...args], { stdio: ['ignore', 'pipe', 'ignore'] })
  const lines = createInterface({ input: child.stdout })
  const line = await Promise.race([
    once(lines, 'line').then(([first]) => String(first)),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`The reference server ended with ${String(code)}`))),
  ])
  const url = /http:\S+/.exec(line)?.[0]
  if (url === undefined || child.pid === undefined) throw new Error(`The reference server printed no URL: ${line}`)
  return { url, pid: child.pid, stop: () => stop(child) }
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const kill = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await exited
  clearTimeout(kill)
  return child.exitCode
}
