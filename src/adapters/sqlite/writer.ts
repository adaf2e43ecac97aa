/** The main thread's side of the thread that writes. It is started by the first write. */

import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { SqlRow, Statement } from '../sql/sql-database.ts'
import { unavailable } from '../sql/sql-database.ts'
import type { FileName, WriteAnswer, WriterFiles, WriterMessage } from './write-message.ts'

export interface Writer {
  write(file: FileName, nowMs: number, statements: readonly Statement[]): Promise<readonly (readonly SqlRow[])[]>
  /** What was begun is finished. */
  close(): Promise<void>
}

interface Waiting {
  readonly resolve: (rows: readonly (readonly SqlRow[])[]) => void
  readonly reject: (error: unknown) => void
}

/** Beyond it a write is refused at once: the disk does not keep up. */
const MAX_WAITING = 10_000

/** It keeps nothing: without a bound of its own it would take as much for garbage as the thread that serves. */
const MEMORY = { maxYoungGenerationSizeMb: 4 }

export function createWriter(files: WriterFiles): Writer {
  const waiting = new Map<number, Waiting>()
  let worker: Worker | undefined
  let lastId = 0
  let isClosed = false

  function start(): Worker {
    // The same name in the sources and in what is published.
    const started = new Worker(new URL(`./write-thread${extname(import.meta.url)}`, import.meta.url), { workerData: files, execArgv: [], resourceLimits: MEMORY })
    started.on('message', (answers: readonly WriteAnswer[]) => answers.forEach(settle))
    started.on('error', (error) => lose(started, error))
    started.on('exit', () => lose(started, new Error('The writing thread ended')))
    return started
  }

  function settle(answer: WriteAnswer): void {
    const one = waiting.get(answer.id)
    waiting.delete(answer.id)
    // Whoever closes it waits for its end.
    if (waiting.size === 0 && !isClosed) worker?.unref()
    if ('failure' in answer) one?.reject(unavailable(new Error(answer.failure)))
    else one?.resolve(answer.rows)
  }

  /** The next write starts another. */
  function lose(lost: Worker, error: Error): void {
    if (worker !== lost) return
    worker = undefined
    for (const one of waiting.values()) one.reject(unavailable(error))
    waiting.clear()
  }

  function send(target: Worker, message: WriterMessage): void {
    // It keeps the process alive for as long as somebody waits for it.
    target.ref()
    target.postMessage(message)
  }

  return {
    write(file, nowMs, statements) {
      if (isClosed) return Promise.reject(unavailable(new Error('The database is closed')))
      if (waiting.size >= MAX_WAITING) return Promise.reject(unavailable(new Error(`${MAX_WAITING} writes wait already`)))
      worker ??= start()
      const target = worker
      const id = ++lastId
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        send(target, { id, file, nowMs, statements })
      })
    },
    async close() {
      isClosed = true
      const last = worker
      if (last === undefined) return
      const ended = new Promise((resolve) => last.once('exit', resolve))
      send(last, 'close')
      await ended
    },
  }
}
