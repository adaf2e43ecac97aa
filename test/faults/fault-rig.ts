/**
 * Runs calls through a gateway while its servers and clients fail, and checks what must hold whatever fails: nothing runs
 * twice (guarantee 1), nothing hangs past its time, nobody else notices (guarantee 6), each exchange leaves one record.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startActor } from '../fixtures/upstream/actor.ts'
import { openRig } from '../gateway-rig.ts'
import type { OpenRig } from '../gateway-rig.ts'
import { legacyRequest, messageOf, modern, modernRequest, openSession } from '../mcp-client.ts'
import type { WireRequest } from '../mcp-client.ts'
import { faultRun } from './fault.ts'
import type { ClientFault, FaultRun } from './fault.ts'
import { startFaultyHttp } from './faulty-http.ts'

const STDIO = fileURLToPath(new URL('faulty-stdio.mjs', import.meta.url))
const TIMES = { connectTimeoutMs: 2_000, requestIdleTimeoutMs: 1_500, requestTotalTimeoutMs: 3_000 }
/** Sweeping is once a second; the machine may be busy. */
const SLACK_MS = 4_000

export interface FaultRig {
  /** Runs these seeds, `width` at a time; resolves with what did not hold, each line with its seed. */
  run(seeds: readonly number[], width: number): Promise<readonly string[]>
  close(): Promise<void>
}

export async function openFaultRig(): Promise<FaultRig> {
  const folder = mkdtempSync(join(tmpdir(), 'portolan-faults-'))
  const record = join(folder, 'executions')
  writeFileSync(record, '')
  const [modernServer, legacyServer, healthy] = await Promise.all([startFaultyHttp('modern'), startFaultyHttp('legacy'), startActor(['modern'])])
  const http = (url: string) => ({ transport: 'http' as const, url, headers: {} })
  const rig = await openRig({
    servers: {
      modern: http(modernServer.url),
      legacy: http(legacyServer.url),
      stdio: { transport: 'stdio', command: process.execPath, args: [STDIO, record], env: { PATH: process.env['PATH'] ?? '' }, cwd: undefined },
      healthy: http(healthy.url),
    },
    server: TIMES,
  })
  const executionsOf = ({ upstream }: FaultRun, tag: string): number => {
    if (upstream === 'stdio') return readFileSync(record, 'latin1').split('\n').filter((line) => line === tag).length
    return (upstream === 'modern' ? modernServer : legacyServer).executions.get(tag) ?? 0
  }
  return {
    async run(seeds, width) {
      const wrong: string[] = []
      const left = seeds.toReversed()
      let isOver = false
      const watch = watchHealthy(rig, () => isOver, wrong)
      await Promise.all(Array.from({ length: width }, async () => {
        for (let seed = left.pop(); seed !== undefined; seed = left.pop()) wrong.push(...(await runOne(rig, faultRun(seed), executionsOf)))
      }))
      isOver = true
      await watch
      const ids = (await rig.settled()).map(({ exchangeId }) => exchangeId)
      if (new Set(ids).size !== ids.length) wrong.push('an exchange left two records')
      return wrong
    },
    async close() {
      await rig.close()
      await Promise.all([modernServer.close(), legacyServer.close(), healthy.close()])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Another server's clients, all the while. */
async function watchHealthy(rig: OpenRig, isOver: () => boolean, wrong: string[]): Promise<void> {
  for (let id = 1; !isOver(); id += 1) {
    const startedMs = performance.now()
    const answer = await connected(() => modern(rig.port, 'tools/call', { name: 'echo', arguments: { id } }, { path: '/healthy/mcp', id }))
    const tookMs = performance.now() - startedMs
    if (!('result' in messageOf(answer))) wrong.push(`a client of another server got ${answer.text.slice(0, 200)}`)
    if (tookMs > 2_000) wrong.push(`a client of another server waited ${Math.round(tookMs)} ms`)
    await sleep(20)
  }
}

async function runOne(rig: OpenRig, run: FaultRun, executionsOf: (run: FaultRun, tag: string) => number): Promise<readonly string[]> {
  const tag = `tag-${run.seed}-${Math.random().toString(36).slice(2)}`
  const path = `/${run.upstream}/mcp`
  const { atServer, atClient, streams, answerBytes, where, delayMs } = run
  const params = { name: 'run', arguments: { tag, fault: atServer, streams, answerBytes, where, delayMs } }
  const startedMs = performance.now()
  const wrong: string[] = []
  const say = (what: string): void => void wrong.push(`seed ${run.seed}: ${what} (${JSON.stringify(run)})`)
  const session = run.client === 'modern' ? '' : await connected(() => openSession(rig.port, { path }))
  const wire = run.client === 'modern' ? modernRequest('tools/call', params, { path }) : legacyRequest(session, 'tools/call', params, { path })
  const got = await Promise.race([send(rig.port, wire, atClient, delayMs), sleep(TIMES.requestTotalTimeoutMs + SLACK_MS).then((): Got => ({ kind: 'hung', text: '' }))])
  const tookMs = Math.round(performance.now() - startedMs)
  if (got.kind === 'hung') say(`no end within ${tookMs} ms`)
  const isWhole = got.text.includes(`${tag}:${'x'.repeat(answerBytes)}"`)
  if (session !== '') await connected(() => send(rig.port, { ...legacyRequest(session, 'ping', {}, { path }), verb: 'DELETE', body: '' }, 'none', 0))
  const times = executionsOf(run, tag)
  if (times > 1) say(`ran ${times} times`)
  if (isWhole && times !== 1) say(`was answered, and ran ${times} times`)
  const isSound = atClient === 'none' && ['none', 'delay', 'slow drip', 'twice', 'garbage in stream', 'stderr flood'].includes(atServer) && run.upstream !== 'stdio'
  if (isSound && !isWhole) say(`was not answered: ${got.kind} ${got.text.slice(0, 300)}`)
  if (got.kind === 'answer' && !isWhole && !/"error"|"isError"/.test(got.text)) say(`got what is neither answer nor error: ${got.text.slice(0, 300)}`)
  return wrong
}

/** Tens of thousands of connections in a minute meet their predecessors' ports, still in TIME_WAIT: that is loopback, not the gateway. */
async function connected<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'connect') throw error
    await sleep(50)
    return await ask()
  }
}

interface Got {
  readonly kind: 'answer' | 'broken' | 'left' | 'hung'
  readonly text: string
}

function send(port: number, { verb, path, headers, body }: WireRequest, fault: ClientFault, delayMs: number): Promise<Got> {
  return new Promise((resolve) => {
    let text = ''
    const outgoing = httpRequest({ host: '127.0.0.1', port, method: verb, path, agent: false, headers: { ...headers, 'content-length': Buffer.byteLength(body, 'latin1') } }, (incoming) => {
      incoming.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        if (fault !== 'reads slowly') return
        incoming.pause()
        setTimeout(() => incoming.resume(), 5)
      })
      incoming.on('end', () => resolve({ kind: incoming.complete ? 'answer' : 'broken', text }))
      incoming.on('error', () => resolve({ kind: 'broken', text }))
      incoming.on('close', () => resolve({ kind: 'broken', text }))
    })
    outgoing.on('error', () => resolve({ kind: fault === 'none' ? 'broken' : 'left', text }))
    outgoing.on('close', () => setTimeout(() => resolve({ kind: 'left', text }), 50))
    if (fault === 'half a request' || fault === 'slow request') {
      const middle = Math.floor(body.length / 2)
      outgoing.write(body.slice(0, middle), 'latin1')
      setTimeout(() => (fault === 'slow request' ? outgoing.end(body.slice(middle), 'latin1') : outgoing.destroy()), delayMs)
      return
    }
    outgoing.end(body, 'latin1')
    if (fault === 'leaves at once') setTimeout(() => outgoing.destroy(), 1)
    if (fault === 'leaves later') setTimeout(() => outgoing.destroy(), delayMs)
  })
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
