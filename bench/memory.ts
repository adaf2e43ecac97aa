// Memory of what lies idle, and the time to the first answer: RSS before and after 10,000 legacy sessions without an open
// stream, before and after 5,000 open `subscriptions/listen` streams, and start to first answered call.
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type BenchCase, DEFAULT_CASES, FIRST_ID, modernMeta, postHeaders, requestTemplate, stampId } from './cases.ts'
import { askOnce, createConnection } from './connection.ts'
import { type ContenderName, type Running, startContender, type Surroundings } from './contenders.ts'
import { memoryBytes, processTree } from './proc.ts'
import { createReplyCheck } from './reply-check.ts'
import { openSession } from './session.ts'
import { median } from './stats.ts'
import type { Table } from './table.ts'

export const IDLE_SESSION_COUNT = 10_000
export const OPEN_STREAM_COUNT = 5000
const START_COUNT = 5
const AT_ONCE = 16

/** One line of the outcome. `reachedCount` falls short of `wantedCount` where the contender refused; `note` says how. */
export type MemoryResult = {
  readonly contender: ContenderName
  readonly what: 'idle sessions' | 'open streams' | 'first start' | 'later start'
  readonly wantedCount: number
  readonly reachedCount: number
  readonly beforeBytes: number | null
  readonly afterBytes: number | null
  readonly startMs: number | null
  readonly note: string | null
}

const legacyCase = firstCase('legacy-http-400')
const modernCase = firstCase('modern-http-400')

/** Measures the proxies that keep state and stand in front of HTTP servers; the others have nothing to compare. */
export async function measureMemory(names: readonly ContenderName[], around: Surroundings, say: (line: string) => void): Promise<MemoryResult[]> {
  const results: MemoryResult[] = []
  for (const name of names.filter((each) => each === 'portolan')) {
    for (const measureOne of [idleSessions, openStreams, starts]) {
      try {
        results.push(...(await measureOne(name, around)))
      } catch (error) {
        const note = error instanceof Error ? error.message : String(error)
        results.push({ ...EMPTY, contender: name, what: measureOne === idleSessions ? 'idle sessions' : measureOne === openStreams ? 'open streams' : 'first start', note })
      }
      say(`  ${JSON.stringify(results.at(-1))}`)
    }
  }
  return results
}

const EMPTY = { wantedCount: 0, reachedCount: 0, beforeBytes: null, afterBytes: null, startMs: null, note: null } as const

async function idleSessions(name: ContenderName, around: Surroundings): Promise<MemoryResult[]> {
  const running = await startOrThrow(name, legacyCase, around)
  const lanes = Array.from({ length: AT_ONCE }, () => createConnection(running.target))
  try {
    for (const lane of lanes) await openSession(lane, running.target)
    const beforeBytes = await settledRss(running)
    let reachedCount = 0
    let note: string | null = null
    await Promise.all(
      lanes.map(async (lane) => {
        while (reachedCount < IDLE_SESSION_COUNT && note === null) {
          reachedCount += 1
          try {
            await openSession(lane, running.target)
          } catch (error) {
            reachedCount -= 1
            note = error instanceof Error ? error.message : String(error)
          }
        }
      }),
    )
    const afterBytes = await settledRss(running)
    return [{ ...EMPTY, contender: name, what: 'idle sessions', wantedCount: IDLE_SESSION_COUNT, reachedCount, beforeBytes, afterBytes, note }]
  } finally {
    for (const lane of lanes) lane.close()
    if (running.started !== null) await around.keeper.stop(running.started)
  }
}

async function openStreams(name: ContenderName, around: Surroundings): Promise<MemoryResult[]> {
  const running = await startOrThrow(name, modernCase, around)
  const sockets: Socket[] = []
  try {
    await firstCall(running)
    const beforeBytes = await settledRss(running)
    let note: string | null = null
    while (sockets.length < OPEN_STREAM_COUNT && note === null) {
      const opened = await Promise.allSettled(Array.from({ length: AT_ONCE }, (_, index) => openStream(running, sockets.length + index)))
      for (const each of opened) {
        if (each.status === 'fulfilled') sockets.push(each.value)
        else note = String(each.reason)
      }
    }
    const afterBytes = await settledRss(running)
    return [{ ...EMPTY, contender: name, what: 'open streams', wantedCount: OPEN_STREAM_COUNT, reachedCount: sockets.length, beforeBytes, afterBytes, note }]
  } finally {
    for (const socket of sockets) socket.destroy()
    if (running.started !== null) await around.keeper.stop(running.started)
  }
}

/** A listen stream whose first event, the acknowledgement, has come. */
function openStream(running: Running, index: number): Promise<Socket> {
  const { target } = running
  const params = { _meta: modernMeta(), notifications: { toolsListChanged: true } }
  const body = JSON.stringify({ jsonrpc: '2.0', id: FIRST_ID + index, method: 'subscriptions/listen', params })
  const headers = { ...postHeaders(target, 'modern', 'subscriptions/listen', null), 'Content-Length': String(body.length) }
  const head = Object.entries(headers).map(([field, value]) => `${field}: ${value}\r\n`)
  return new Promise((resolve, reject) => {
    const socket = connect({ host: target.host, port: target.port })
    let received = ''
    const timer = setTimeout(() => socket.destroy(new Error('no acknowledgement within 15 s')), 15_000)
    socket.on('data', (bytes: Buffer) => {
      if (received.length < 4096) received += bytes.toString('latin1')
      if (received.includes('notifications/subscriptions/acknowledged')) resolve(socket)
      else if (!received.startsWith('HTTP/1.1 200')) socket.destroy(new Error(`refused: ${received.slice(0, 300)}`))
      else return
      clearTimeout(timer)
    })
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('closed before the acknowledgement')))
    socket.write(`POST ${target.path} HTTP/1.1\r\n${head.join('')}\r\n${body}`)
  })
}

/** The first start has an empty data folder; later ones find what it left (and a warm file cache in any case). */
async function starts(name: ContenderName, around: Surroundings): Promise<MemoryResult[]> {
  rmSync(join(around.temp, `${name}-${modernCase.name}`), { recursive: true, force: true })
  const takenMs: number[] = []
  for (let index = 0; index <= START_COUNT; index += 1) {
    const begunAtMs = performance.now()
    const running = await startOrThrow(name, modernCase, around)
    await firstCall(running)
    takenMs.push(performance.now() - begunAtMs)
    if (running.started !== null) await around.keeper.stop(running.started)
  }
  const [firstMs = Number.NaN, ...laterMs] = takenMs
  return [
    { ...EMPTY, contender: name, what: 'first start', wantedCount: 1, reachedCount: 1, startMs: firstMs },
    { ...EMPTY, contender: name, what: 'later start', wantedCount: START_COUNT, reachedCount: START_COUNT, startMs: median(laterMs) },
  ]
}

async function firstCall(running: Running): Promise<void> {
  const connection = createConnection(running.target)
  try {
    const template = requestTemplate(modernCase, running.target, null)
    stampId(template, FIRST_ID)
    const problem = createReplyCheck(modernCase)(await askOnce(connection, template.bytes), FIRST_ID)
    if (problem !== null) throw new Error(`the first call failed: ${problem}`)
  } finally {
    connection.close()
  }
}

/** The lowest resident size in three seconds: garbage of the opening is let go of meanwhile, or it belongs to the price. */
async function settledRss(running: Running): Promise<number> {
  const root = running.started?.pid
  if (root === undefined) return 0
  let lowest = Number.POSITIVE_INFINITY
  for (let index = 0; index < 6; index += 1) {
    await sleep(500)
    lowest = Math.min(lowest, memoryBytes(processTree(root).map((stat) => stat.pid), 'VmRSS'))
  }
  return lowest
}

async function startOrThrow(name: ContenderName, benchCase: BenchCase, around: Surroundings): Promise<Running> {
  const begun = await startContender(name, benchCase, around)
  if ('kind' in begun) throw new Error(`${begun.kind}: ${begun.reason}`)
  return begun
}

function firstCase(name: string): BenchCase {
  const found = DEFAULT_CASES.find((each) => each.name === name)
  if (found === undefined) throw new Error(`no case ${name}`)
  return found
}

/** One row a measurement: megabytes before, after, more, and per piece in kilobytes. */
export function memoryTable(results: readonly MemoryResult[]): Table {
  const megabytes = (bytes: number | null): string => (bytes === null ? '–' : (bytes / 1e6).toFixed(1))
  return {
    titles: ['contender', 'what', 'reached', 'before MB', 'after MB', 'more MB', 'kB each', 'start ms', 'note'],
    rows: results.map((result) => {
      const moreBytes = result.beforeBytes === null || result.afterBytes === null ? null : result.afterBytes - result.beforeBytes
      const each = moreBytes === null || result.reachedCount === 0 ? '–' : (moreBytes / 1000 / result.reachedCount).toFixed(1)
      const start = result.startMs === null ? '–' : result.startMs.toFixed(0)
      const counts = `${result.reachedCount} of ${result.wantedCount}`
      return [result.contender, result.what, counts, megabytes(result.beforeBytes), megabytes(result.afterBytes), megabytes(moreBytes), each, start, result.note ?? '']
    }),
  }
}
