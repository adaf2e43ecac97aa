/** Port: child processes. Each one is capped, reaped and dies with its owner, grandchildren included (design §7.7). */

export interface SpawnRequest {
  readonly command: string
  readonly args: readonly string[]
  /** The whole environment of the child. */
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | undefined
}

export interface ChildHandler {
  onStdout(chunk: Uint8Array): void
  /** For logs and `status`; at most some KiB are kept by anyone. */
  onStderr(chunk: Uint8Array): void
  onDrain(): void
  /** Once, when the process is gone or never started (`code` null and `error` set). */
  onExit(exit: { readonly code: number | null; readonly signal: string | null; readonly error: string | undefined }): void
}

export interface Child {
  /** 0 where it never started. */
  readonly pid: number
  /** latin1 view of UTF-8. False: buffer full, wait for onDrain. */
  write(text: string): boolean
  pause(): void
  resume(): void
  /**
   * Ends all of it with SIGKILL in `ms` from now, even if this process is stopped or hangs then; each call moves the end. A
   * machine that stands still as a whole ends it when it goes on. On Windows only `stop` ends it.
   * False: nothing would end it then, and its owner has to do it now.
   */
  expireIn(ms: number): boolean
  /** Closes stdin, waits, SIGTERM, waits, SIGKILL to the whole group; resolves when all of it is gone, or survives that again and again. */
  stop(graceMs: number): Promise<void>
  /** Whether anything is left of it, or of what it started; true, too, where that cannot be found out. On Windows: of it. */
  isLeft(): Promise<boolean>
}

export interface Spawner {
  spawn(request: SpawnRequest, handler: ChildHandler): Child
}

/** One that never started, and why. */
export function failedChild(error: string, handler: ChildHandler): Child {
  queueMicrotask(() => handler.onExit({ code: null, signal: null, error }))
  return { pid: 0, write: () => true, pause: () => undefined, resume: () => undefined, expireIn: () => true, stop: () => Promise.resolve(), isLeft: () => Promise.resolve(false) }
}
