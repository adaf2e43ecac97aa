/**
 * JSON-RPC over the lines of one child, both eras (stdio transports). What a server prints besides is counted and
 * dropped; its death fails every call in flight at once.
 */
import { PortolanError } from '../../protocol/error.ts'
import type { WireText } from '../../protocol/json.ts'
import { isBatch, parseMessage, splitBatch } from '../../protocol/message.ts'
import type { IdText, Message } from '../../protocol/message.ts'
import { traitsOf } from '../../protocol/revision.ts'
import type { Era, Revision } from '../../protocol/revision.ts'
import type { CallControl, Channel, ChannelCall, ChannelFailure, ChannelListener } from './channel.ts'
import { brokenAnswers, createCorrelator } from './correlator.ts'
import type { ChannelHealth } from './health.ts'
import { cancelledText } from './legacy-handshake.ts'
import { createLineFraming, toLine } from './line-framing.ts'
import { createRedaction } from './redaction.ts'
import type { SpawnRequest, Spawner } from './spawner.ts'

export interface ChildEnd {
  readonly code: number | null
  readonly signal: string | null
  /** Why it never started. */
  readonly error: string | undefined
  /** We ended it ourselves. */
  readonly isWanted: boolean
  /** The last of what it wrote to stderr. */
  readonly stderrTail: string
}

export interface LineChannelOptions {
  readonly spawner: Spawner
  readonly spawn: SpawnRequest
  readonly era: Era
  readonly revision: Revision
  readonly lineBytes: number
  readonly graceMs: number
  /** Many clients use it: one that is slow must not stop the others. */
  readonly isShared: boolean
  readonly health: ChannelHealth
  readonly listener: ChannelListener
  /** Calls in flight, whenever their number becomes or leaves 0. */
  onInFlight(count: number): void
  onEnd(end: ChildEnd): void
}

export interface LineChannel extends Channel {
  readonly revision: Revision
  /** Of the child; 0 where it never started. */
  readonly pid: number
  /** What the handshake agreed. */
  agree(revision: Revision): void
  /** Counts as a call in flight until the returned function is called. */
  hold(): () => void
}

const STDERR_TAIL = 2_048
/** Messages held for a child that does not read. */
const QUEUED_BYTES = 8 * 1024 * 1024

interface Queued {
  readonly line: WireText
  readonly idText: IdText
}

/** Starts the child. Failure to start comes as `unreachable` to calls and through `onEnd`. */
export function openLineChannel(options: LineChannelOptions): LineChannel {
  const { era, health, listener, lineBytes, graceMs, isShared } = options
  const isModern = era === 'modern'
  const correlator = createCorrelator({ isModern })
  const framing = createLineFraming(lineBytes)
  const redact = createRedaction(options.spawn)
  const queue: Queued[] = []
  let queuedBytes = 0
  let { revision } = options
  let lastId = 0
  let isFull = false
  let isPaused = false
  let isStopping = false
  let isClosed = false
  let stderrTail = ''
  let inFlight = 0
  const holds = new Set<symbol>()
  let stopped: Promise<void> | undefined
  let endDetail = 'the child was ended'

  function countInFlight(): void {
    const now = correlator.size + holds.size
    if ((now === 0) !== (inFlight === 0)) options.onInFlight(now)
    inFlight = now
  }

  function take(message: Message): void {
    if (message.kind === 'request' && isModern) return health.stray(`a request of a modern server: ${message.method}`)
    const fate = correlator.route(message)
    if (fate === 'unclaimed' && !isModern) listener.onMessage(message)
    else if (fate === 'unclaimed' || fate === 'stray') health.stray(`${message.method || 'a response'} that names no call`)
    else if (fate === 'paused' && !isShared) pause()
    if (message.method === '') {
      health.seen()
      resume()
    }
    countInFlight()
  }

  function takeLine(line: WireText): void {
    if (line === '') return
    if (isBatch(line) && traitsOf(revision).batches) {
      for (const item of splitBatch(line) ?? []) takeOne(item)
    } else {
      takeOne(line)
    }
  }

  function takeOne(text: WireText): void {
    const scan = parseMessage(text)
    if (scan.ok) return take(scan.value)
    health.stray(`stdout: ${scan.fault.detail}`)
    for (const idText of brokenAnswers(text, scan.fault)) failCall(idText, { reason: 'malformed', sent: true, detail: scan.fault.detail })
  }

  function failCall(idText: IdText, failure: ChannelFailure): void {
    correlator.fail(idText, failure)
    countInFlight()
  }

  function pause(): void {
    isPaused = true
    child.pause()
  }

  function resume(): void {
    if (!isPaused) return
    isPaused = false
    child.resume()
  }

  /** False: too much waits already. */
  function write(line: WireText, idText: IdText): boolean {
    if (!isFull) {
      isFull = !child.write(line)
      return true
    }
    if (queuedBytes + line.length > QUEUED_BYTES) return false
    queue.push({ line, idText })
    queuedBytes += line.length
    return true
  }

  function drain(): void {
    isFull = false
    while (!isFull) {
      const next = queue.shift()
      if (next === undefined) return
      queuedBytes -= next.line.length
      isFull = !child.write(next.line)
    }
  }

  function unqueue(idText: IdText): boolean {
    const at = queue.findIndex((item) => item.idText === idText)
    if (at < 0) return false
    queuedBytes -= queue[at]?.line.length ?? 0
    queue.splice(at, 1)
    return true
  }

  function stop(): Promise<void> {
    isStopping = true
    isClosed = true
    stopped ??= child.stop(graceMs)
    return stopped
  }

  function failAll(failure: ChannelFailure): void {
    for (const { idText } of queue.splice(0)) correlator.fail(idText, { ...failure, sent: false })
    correlator.failAll(failure)
    countInFlight()
  }

  const child = options.spawner.spawn(options.spawn, {
    onStdout(chunk) {
      if (isStopping) return
      const lines = framing.push(chunk)
      if (lines !== undefined) {
        for (const line of lines) takeLine(line)
        return
      }
      failAll({ reason: 'oversized', sent: true, detail: `a line of more than ${lineBytes} bytes` })
      health.stray(`stdout: a line of more than ${lineBytes} bytes; the child is ended`)
      listener.onClosed({ gone: true, detail: 'the server wrote a line beyond the limit' })
      void stop()
    },
    onStderr(chunk) {
      const text = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength).toString('utf8')
      stderrTail = redact(stderrTail + text).slice(-STDERR_TAIL)
      health.stderr(redact(text).slice(-STDERR_TAIL))
    },
    onDrain: drain,
    onExit(exit) {
      const isWanted = isStopping
      isClosed = true
      isStopping = true
      const detail = describeEnd(options.spawn.command, { ...exit, stderrTail })
      endDetail = detail
      failAll(
        exit.error === undefined ? { reason: 'closed', sent: true, detail } : { reason: 'unreachable', sent: false, detail },
      )
      if (!isWanted) listener.onClosed({ gone: true, detail })
      options.onEnd({ ...exit, isWanted, stderrTail })
    },
  })

  return {
    era,
    transport: 'stdio',
    pid: child.pid,
    get revision() {
      return revision
    },
    hold() {
      const one = Symbol('hold')
      holds.add(one)
      countInFlight()
      return () => void (holds.delete(one) && countInFlight())
    },
    agree(agreed) {
      revision = agreed
    },
    nextId() {
      lastId += 1
      return String(lastId)
    },
    send(call: ChannelCall): CallControl {
      if (isClosed) {
        const failure: ChannelFailure = { reason: 'unreachable', sent: false, detail: endDetail }
        queueMicrotask(() => call.handler.onFailure(failure))
        return { abort: () => undefined, resume: () => undefined }
      }
      correlator.add(call)
      countInFlight()
      if (!write(toLine(call.text), call.idText)) {
        queueMicrotask(() => failCall(call.idText, { reason: 'overloaded', sent: false, detail: 'the server does not read its input' }))
      }
      return {
        abort(reason, onLate) {
          const isUnsent = unqueue(call.idText)
          if (!correlator.remove(call.idText, isUnsent ? undefined : onLate)) return
          countInFlight()
          resume()
          if (isUnsent || call.method === 'initialize' || isClosed) return
          write(toLine(cancelledText(call.idText, reason)), '')
        },
        resume,
      }
    },
    notify(text) {
      if (isClosed) return Promise.reject(new PortolanError('upstream_unavailable', { cause: endDetail }))
      if (write(toLine(text), '')) return Promise.resolve()
      return Promise.reject(new PortolanError('overloaded', { retryAfterSec: 1, cause: 'the server does not read its input' }))
    },
    async close() {
      if (!isClosed) {
        isClosed = true
        failAll({ reason: 'closed', sent: true, detail: 'the channel was closed' })
      }
      await stop()
    },
    get closed() {
      return isClosed
    },
  }
}

/** For people: what became of a child, with the end of its stderr. */
export function describeEnd(command: string, end: Omit<ChildEnd, 'isWanted'>): string {
  if (end.error !== undefined) return end.error
  const how = end.signal === null ? `exited with code ${end.code ?? 'unknown'}` : `was ended by ${end.signal}`
  const tail = end.stderrTail.trim().split('\n').slice(-3).join(' | ').slice(-400)
  return `${command} ${how}${tail === '' ? '' : `: ${tail}`}`
}
