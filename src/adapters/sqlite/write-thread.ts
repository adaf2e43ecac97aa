/** The worker thread that writes: commits wait for the disk, and the thread that serves clients must not. */

import { parentPort, workerData } from 'node:worker_threads'
import { openConnection } from './connection.ts'
import type { FileName, WriteRequest, WriterFiles, WriterMessage } from './write-message.ts'
import { writeBatch } from './write-queue.ts'

const port = parentPort
if (port === null) throw new TypeError('This is a worker thread')
const files: WriterFiles = workerData
let nowMs = 0
const open = (file: FileName) => openConnection(files[file], file === 'durable', () => nowMs)
const connections = { durable: open('durable'), cache: open('cache') }
let queue: WriteRequest[] = []

function flush(): void {
  const batch = queue
  queue = []
  // The quick file first: its writers need not wait for the other's disk.
  for (const file of ['cache', 'durable'] as const) {
    const requests = batch.filter((request) => request.file === file)
    if (requests.length > 0) port?.postMessage(writeBatch(connections[file], requests, (ms) => (nowMs = ms)))
  }
}

port.on('message', (message: WriterMessage) => {
  if (message === 'close') {
    flush()
    connections.durable.close()
    connections.cache.close()
    port.close()
    return
  }
  queue.push(message)
  // After all that has arrived meanwhile.
  if (queue.length === 1) setImmediate(flush)
})
