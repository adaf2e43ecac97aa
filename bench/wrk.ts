// The yardstick at full load: nginx relaying the same bytes between `wrk` and a second nginx that answers from a file.
// Node.js programs on one core cannot keep a relay in C busy, and a relay that waits costs up to twice as much a request.
// Replies are only checked for their status here: what is measured is bytes, and wrk cannot look into them cheaply.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { type BenchCase, FIRST_ID, requestTemplate, type Target } from './cases.ts'
import type { Keeper } from './proc.ts'
import { answer, readRequest } from './upstream-tools.ts'

export const WRK = '/usr/bin/wrk'

/** The reply that the real upstream gives to the case's request, as a body. */
export function replyBody(benchCase: BenchCase): string {
  const [, body = ''] = splitRequest(benchCase, { host: '127.0.0.1', port: 1, path: '/mcp', headers: {} })
  const request = readRequest(JSON.parse(body))
  if (request === null) throw new Error('the case has no request')
  return JSON.stringify({ jsonrpc: '2.0', id: request.id, ...answer(request) })
}

/** Another id each time, in all its places. */
const counting = (firstId: number): string[] => [
  `local parts, from = {}, 1`,
  `while true do`,
  `  local first, last = wrk.body:find('${FIRST_ID}', from, true)`,
  `  parts[#parts + 1] = wrk.body:sub(from, (first or 0) - 1)`,
  `  if not first then break end`,
  `  from = last + 1`,
  `end`,
  `local id = ${firstId}`,
  `request = function()`,
  `  id = id + 1`,
  `  return wrk.format(nil, nil, nil, table.concat(parts, string.format('%d', id)))`,
  `end`,
]

/** Writes the wrk script that sends the case's request, and gives its path. Who keeps no sessions may be sent any `sessionId`. Several in one session begin with a `firstId` each. */
export function writeWrkScript(benchCase: BenchCase, target: Target, folder: string, sessionId?: string | null, firstId = FIRST_ID): string {
  const [head, body = ''] = splitRequest(benchCase, target, sessionId)
  const bodyPath = join(folder, 'request.json')
  writeFileSync(bodyPath, body)
  const headers = (head ?? '').split('\r\n').slice(1).flatMap((line) => {
    const [name = '', value = ''] = line.split(': ')
    return ['Host', 'Content-Length'].includes(name) ? [] : [`wrk.headers['${name}'] = '${value}'`]
  })
  const path = join(folder, 'request.lua')
  // In a session no two calls in flight may have one id (S25 basic, Requests).
  const ids = benchCase.era === 'legacy' && sessionId !== undefined ? counting(firstId) : []
  writeFileSync(path, [`wrk.method = 'POST'`, `wrk.body = io.open('${bodyPath}', 'rb'):read('*a')`, ...headers, ...ids, ''].join('\n'))
  return path
}

function splitRequest(benchCase: BenchCase, target: Target, sessionId: string | null = '00000000-0000-4000-8000-000000000000'): string[] {
  return requestTemplate(benchCase, target, benchCase.era === 'legacy' ? sessionId : null).bytes.toString('latin1').split('\r\n\r\n')
}

export type WrkResult = { readonly requestCount: number; readonly elapsedMs: number; readonly p50Ms: number; readonly p99Ms: number; readonly wrkCpuUs: number }

/** Runs wrk once. Rejects with an Error when any reply was no success or any connection failed. */
export async function runWrk(options: { keeper: Keeper; script: string; target: Target; connectionCount: number; seconds: number; core: number }): Promise<WrkResult> {
  const { keeper, script, target, connectionCount, seconds, core } = options
  const url = `http://${target.host}:${target.port}${target.path}`
  const wrkArgs = ['-t1', `-c${connectionCount}`, `-d${Math.max(1, Math.round(seconds))}s`, '--latency', '--timeout', '10s', '-s', script, url]
  const cpuBeforeUs = endedChildrenCpuUs()
  const started = keeper.start({ command: WRK, args: wrkArgs, core })
  const stdout = started.child.stdout === null ? '' : await text(started.child.stdout)
  await started.exited
  await keeper.stop(started)
  const bad = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(stdout)
  if (bad !== null) throw new Error(bad[0])
  const [, count = '0', took = '0s'] = /(\d+) requests in ([\d.]+\w+)/.exec(stdout) ?? []
  if (Number(count) === 0) throw new Error('wrk got no replies')
  return { requestCount: Number(count), elapsedMs: milliseconds(took), p50Ms: quantile(stdout, 50), p99Ms: quantile(stdout, 99), wrkCpuUs: endedChildrenCpuUs() - cpuBeforeUs }
}

/** CPU of this process's ended children so far (proc(5): cutime, cstime; ticks of 10 ms). */
function endedChildrenCpuUs(): number {
  const stat = readFileSync('/proc/self/stat', 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * 10_000
}

function quantile(stdout: string, percent: number): number {
  return milliseconds(new RegExp(`^\\s+${percent}%\\s+(\\S+)`, 'm').exec(stdout)?.[1] ?? '')
}

/** wrk's `12.5us`, `1.20ms`, `2.00s`, `1.50m` as milliseconds. */
export function milliseconds(duration: string): number {
  const [, value = 'NaN', unit = ''] = /^([\d.]+)(us|ms|s|m)$/.exec(duration) ?? []
  return Number(value) * ({ us: 0.001, ms: 1, s: 1000, m: 60_000 }[unit] ?? Number.NaN)
}
