/**
 * A process that cannot outlive this one: a shell between the two waits for the end of its input, which comes however this
 * process ends (SIGKILL too), then ends the service and removes its folder. In a session of its own, so that Ctrl+C reaches
 * this process only.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

export interface KeptProcessOptions {
  readonly command: string
  readonly args: readonly string[]
  /** Removed at the end. */
  readonly folder: string
  /** What ends the service at once. */
  readonly signal: 'QUIT' | 'TERM' | 'KILL'
  readonly uid?: number
  readonly gid?: number
}

export interface KeptProcess {
  /** What it wrote last, for whoever has to say why it did not start. */
  readonly output: () => string
  stop(): Promise<void>
}

/** Nobody reads what it writes by then: a write would end the shell before it has removed the folder. */
const SCRIPT = 'folder=$1 signal=$2; shift 2; "$@" </dev/null & pid=$!; read -r _; exec >/dev/null 2>&1; kill -s "$signal" "$pid"; wait "$pid"; rm -rf "$folder"'
const OUTPUT_LENGTH = 4_000

export function startKept({ command, args, folder, signal, uid, gid }: KeptProcessOptions): KeptProcess {
  const child = spawn('/bin/sh', ['-c', SCRIPT, 'sh', folder, signal, command, ...args], {
    cwd: folder,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(uid === undefined || gid === undefined ? {} : { uid, gid }),
  })
  let output = ''
  const keep = (chunk: Buffer): void => void (output = `${output}${String(chunk)}`.slice(-OUTPUT_LENGTH))
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  child.stdin.on('error', () => undefined)
  const ended = once(child, 'exit')
  child.unref()
  return {
    output: () => output,
    async stop() {
      child.ref()
      child.stdin.end()
      await ended
    },
  }
}
