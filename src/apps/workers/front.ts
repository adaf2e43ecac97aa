/**
 * What operators reach at the known socket, for all workers: status and metrics of all of them, a reload of all of them; the rest,
 * which is the same at each, is asked of one. Each worker has a socket of its own behind it.
 */

import { request as ask } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ReloadReport } from '../gateway/config-change.ts'
import { send } from '../gateway/operations.ts'
import type { OperationsHandler } from '../gateway/operations.ts'
import type { ProcessStatus } from '../gateway/status.ts'
import { operationsSocketOf } from '../gateway/worker-place.ts'
import { mergedMetrics } from './merged-metrics.ts'
import { mergedReload } from './merged-reload.ts'
import { mergedStatus } from './merged-status.ts'
import type { SlotStatus } from './merged-status.ts'
import type { Slot } from './slot.ts'
import { answerOf } from './socket-answer.ts'

export interface FrontOptions {
  readonly slots: readonly Slot[]
  /** Of the workers' sockets. */
  readonly folder: string
  readonly startedAtMs: number
  readonly isStopping: () => boolean
}

/** Below what the command line waits for: a worker that hangs must not hide the others. */
const ANSWER_MS = 3_000
const RELOAD_MS = 25_000
/** Of the admin API. */
const API_PATH = '/api/v1'
const RELOAD_PATH = `${API_PATH}/reload`

export function createFront({ slots, folder, startedAtMs, isStopping }: FrontOptions): OperationsHandler {
  const socketOf = (slot: Slot): string => operationsSocketOf({ folder, number: slot.number })
  const ready = (): readonly Slot[] => slots.filter(({ state }) => state === 'ready')
  const statuses = (): Promise<readonly SlotStatus[]> =>
    Promise.all(slots.map(async (slot) => ({ slot, status: slot.state === 'ready' ? await answerOf(socketOf(slot), 'GET', '/status', ANSWER_MS).then(parsed<ProcessStatus>, () => undefined) : undefined })))

  async function status(response: ServerResponse): Promise<void> {
    const merged = mergedStatus(await statuses(), { pid: process.pid, startedAtMs, memoryBytes: process.memoryUsage.rss(), isStopping: isStopping() })
    if (merged === undefined) nobody(response)
    else send(response, 200, JSON_TYPE, `${JSON.stringify(merged)}\n`)
  }

  async function metrics(response: ServerResponse): Promise<void> {
    const texts = await Promise.all(ready().map(async (slot) => ({ number: slot.number, text: await answerOf(socketOf(slot), 'GET', '/metrics', ANSWER_MS).catch(() => '') })))
    send(response, 200, 'text/plain; version=0.0.4; charset=utf-8', mergedMetrics(texts, slots))
  }

  async function reload(response: ServerResponse): Promise<void> {
    // One after the other, so that one that refuses has said so before the next reads the same file.
    const reports: ReloadReport[] = []
    for (const slot of ready()) {
      const report = await answerOf(socketOf(slot), 'POST', RELOAD_PATH, RELOAD_MS).then(parsed<ReloadReport>, () => undefined)
      if (report !== undefined) reports.push(report)
    }
    const merged = mergedReload(reports)
    if (merged === undefined) nobody(response)
    else send(response, 200, JSON_TYPE, `${JSON.stringify(merged)}\n`)
  }

  function pass(request: IncomingMessage, response: ServerResponse): void {
    const [slot] = ready()
    if (slot === undefined) return nobody(response)
    const { method, url, headers } = request
    const asked = ask({ socketPath: socketOf(slot), method, path: url, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    asked.on('error', () => (response.headersSent ? response.destroy() : nobody(response)))
    response.on('close', () => asked.destroy())
    request.pipe(asked)
  }

  return (request, response, isPrivate) => {
    const { method = '', url = '' } = request
    const fail = (): void => (response.headersSent ? void response.destroy() : nobody(response))
    const asked = `${method} ${isPrivate ? url.replace(API_PATH, '') : url}`
    if (asked === 'GET /status') void status(response).catch(fail)
    else if (asked === 'GET /metrics') void metrics(response).catch(fail)
    else if (url === RELOAD_PATH && asked === 'POST /reload') void reload(response).catch(fail)
    else if (isPrivate) pass(request, response)
    else send(response, 404, 'text/plain', 'Here are /status and /metrics\n')
  }
}

const JSON_TYPE = 'application/json'

function nobody(response: ServerResponse): void {
  send(response, 503, 'text/plain', 'No worker is ready\n')
}

function parsed<T>(text: string): T {
  return JSON.parse(text)
}
