// The load generator: a process of its own that keeps many connections busy, checks every reply and reports what the
// asking itself cost. Commands on stdin, answers on stdout (load-job.ts). Ends when its stdin does.
import { createInterface } from 'node:readline'
import { FIRST_ID, type RequestTemplate, requestTemplate, stampId } from './cases.ts'
import { type Connection, createConnection } from './connection.ts'
import type { LoadAnswer, LoadCommand, LoadJob, LoadResult } from './load-job.ts'
import { createReplyCheck, type ReplyCheck } from './reply-check.ts'
import { closeSession, openSession } from './session.ts'
import { percentile } from './stats.ts'

type Lane = { readonly connection: Connection; readonly template: RequestTemplate; busy: boolean }
type Window = { count: number; errorCount: number; firstError: string | null; readonly latenciesMs: number[]; readonly lateMs: number[]; lastAtMs: number }

const MAX_ERRORS = 50
let nextId = FIRST_ID
let onGo: (() => void) | null = null

function emptyWindow(): Window {
  return { count: 0, errorCount: 0, firstError: null, latenciesMs: [], lateMs: [], lastAtMs: performance.now() }
}

/** Asks on one lane; `then` runs after the reply was checked and counted. */
function ask(lane: Lane, check: ReplyCheck, window: Window, then: (() => void) | null): void {
  const id = nextId
  nextId += 1
  stampId(lane.template, id)
  lane.busy = true
  const sentAtMs = performance.now()
  lane.connection.ask(lane.template.bytes, (reply) => {
    const problem = reply instanceof Error ? reply.message : check(reply, id)
    const nowMs = performance.now()
    lane.busy = false
    window.count += 1
    window.lastAtMs = nowMs
    window.latenciesMs.push(nowMs - sentAtMs)
    if (problem !== null) {
      window.errorCount += 1
      window.firstError ??= problem
    }
    then?.()
  })
}

/** Every lane asks again at once until the time is over; resolves when the last answer is in. */
function closedLoop(lanes: readonly Lane[], check: ReplyCheck, durationMs: number): Promise<Window> {
  const window = emptyWindow()
  const endAtMs = performance.now() + durationMs
  return new Promise((resolve) => {
    let openCount = lanes.length
    for (const lane of lanes) {
      const again = (): void => {
        if (performance.now() < endAtMs && window.errorCount < MAX_ERRORS) ask(lane, check, window, again)
        else if ((openCount -= 1) === 0) resolve(window)
      }
      ask(lane, check, window, again)
    }
  })
}

/**
 * Asks `ratePerSec` times a second whatever the answers do. What finds no idle lane (the machine stood still for a moment)
 * is asked as soon as one is idle; a second behind is an error.
 */
function openLoop(lanes: readonly Lane[], check: ReplyCheck, durationMs: number, ratePerSec: number): Promise<Window> {
  const window = emptyWindow()
  const startAtMs = performance.now()
  let askedCount = 0
  let cursor = 0
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const nowMs = performance.now()
      const dueCount = Math.min(nowMs - startAtMs, durationMs) * (ratePerSec / 1000)
      for (; askedCount < dueCount; askedCount += 1) {
        const idle = lanes.slice(cursor).find((lane) => !lane.busy) ?? lanes.find((lane) => !lane.busy)
        if (idle === undefined) break
        cursor = (cursor + 1) % lanes.length
        window.lateMs.push(nowMs - startAtMs - askedCount / (ratePerSec / 1000))
        ask(idle, check, window, null)
      }
      const tooSlow = dueCount - askedCount > ratePerSec
      if (tooSlow) {
        window.errorCount += 1
        window.firstError ??= `more than a second behind ${ratePerSec} requests per second`
      }
      if (!tooSlow && (askedCount < dueCount || nowMs - startAtMs < durationMs || lanes.some((lane) => lane.busy))) return
      clearInterval(timer)
      resolve(window)
    }, 1)
  })
}

function resultOf(window: Window, startedAtMs: number, cpuUs: number): LoadResult {
  const latencies = Float64Array.from(window.latenciesMs).sort()
  const late = Float64Array.from(window.lateMs).sort()
  return {
    requestCount: window.count,
    elapsedMs: window.lastAtMs - startedAtMs,
    loadCpuUs: cpuUs,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    late99Ms: late.length === 0 ? null : percentile(late, 0.99),
    errorCount: window.errorCount,
    firstError: window.firstError,
  }
}

async function run(job: LoadJob): Promise<void> {
  const { benchCase, target } = job
  const check = createReplyCheck(benchCase)
  const connections = Array.from({ length: job.connectionCount }, () => createConnection(target))
  const first = connections[0]
  if (first === undefined) throw new Error('no connections')
  const sessionIds: string[] = []
  try {
    const sessionCount = benchCase.era === 'legacy' ? Math.min(job.sessionCount, job.connectionCount) : 0
    for (let index = 0; index < sessionCount; index += 1) sessionIds.push(await openSession(first, target))
    const lanes = connections.map((connection, index) => {
      return { connection, template: requestTemplate(benchCase, target, sessionIds[index % sessionCount] ?? null), busy: false }
    })
    const drive = (durationMs: number): Promise<Window> =>
      benchCase.ratePerSec === null ? closedLoop(lanes, check, durationMs) : openLoop(lanes, check, durationMs, benchCase.ratePerSec)
    const warm = await drive(job.warmMs)
    if (warm.errorCount > 0) {
      say({ type: 'failed', reason: `${warm.errorCount} wrong replies of ${warm.count} while warming up; first: ${warm.firstError}` })
      return
    }
    const go = new Promise<void>((resolve) => (onGo = resolve))
    say({ type: 'warm' })
    await go
    const startedAtMs = performance.now()
    const cpuBefore = process.cpuUsage()
    const window = await drive(job.measureMs)
    const cpu = process.cpuUsage(cpuBefore)
    say({ type: 'done', result: resultOf(window, startedAtMs, cpu.user + cpu.system) })
    for (const sessionId of sessionIds) await closeSession(first, target, sessionId)
  } finally {
    for (const connection of connections) connection.close()
  }
}

function say(answer: LoadAnswer): void {
  process.stdout.write(`${JSON.stringify(answer)}\n`)
}

const lines = createInterface({ input: process.stdin })
lines.on('line', (line) => {
  const command = JSON.parse(line) as LoadCommand
  if (command.type === 'go') onGo?.()
  else run(command.job).catch((error: unknown) => say({ type: 'failed', reason: error instanceof Error ? error.message : String(error) }))
})
lines.on('close', () => process.exit(0))
