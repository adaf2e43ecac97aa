/** A spawner that remembers what its children printed and how they ended, for `doctor`. */

import type { Spawner } from '../../core/upstream/spawner.ts'

export interface ChildRecord {
  readonly pid: number
  /** Lines on standard output that are no JSON: the first three, at most 300 characters each. */
  readonly noise: readonly string[]
  /** How many there were. */
  readonly noiseCount: number
  /** The last of standard error, at most 2 KiB. */
  readonly stderr: string
  /** How it ended, where it ended by itself. */
  readonly exit: { readonly code: number | null; readonly signal: string | null; readonly error: string | undefined } | undefined
  readonly livedMs: number
}

const KEPT_LINES = 3
const LINE_CHARS = 300
const STDERR_CHARS = 2_048
/** A line longer than this is taken for JSON: only its beginning is looked at. */
const LOOKED_AT_CHARS = 64 * 1024

export function observeSpawner(spawner: Spawner, records: ChildRecord[]): Spawner {
  return {
    spawn(request, handler) {
      const startedMs = performance.now()
      const noise: string[] = []
      const record: { -readonly [Key in keyof ChildRecord]: ChildRecord[Key] } = { pid: 0, noise, noiseCount: 0, stderr: '', exit: undefined, livedMs: 0 }
      records.push(record)
      let line = ''
      let isStopping = false
      const endLine = (): void => {
        if (isNoise(line)) {
          record.noiseCount += 1
          if (noise.length < KEPT_LINES) noise.push(line.trim().slice(0, LINE_CHARS))
        }
        line = ''
      }
      const child = spawner.spawn(request, {
        onStdout(chunk) {
          const parts = Buffer.from(chunk).toString('utf8').split('\n')
          for (const [index, part] of parts.entries()) {
            if (line.length < LOOKED_AT_CHARS) line += part
            if (index < parts.length - 1) endLine()
          }
          handler.onStdout(chunk)
        },
        onStderr(chunk) {
          record.stderr = (record.stderr + Buffer.from(chunk).toString('utf8')).slice(-STDERR_CHARS)
          handler.onStderr(chunk)
        },
        onDrain: () => handler.onDrain(),
        onExit(exit) {
          // What stands on a last line without its end was printed, too.
          endLine()
          if (!isStopping) record.exit = exit
          record.livedMs = performance.now() - startedMs
          handler.onExit(exit)
        },
      })
      record.pid = child.pid
      return {
        ...child,
        stop(graceMs) {
          isStopping = true
          return child.stop(graceMs)
        },
      }
    },
  }
}

function isNoise(line: string): boolean {
  const text = line.trim()
  if (text === '' || line.length >= LOOKED_AT_CHARS) return false
  try {
    const value: unknown = JSON.parse(text)
    return typeof value !== 'object' || value === null
  } catch {
    return true
  }
}
