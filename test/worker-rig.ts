/** A gateway of several workers for a test, and clients whose every request is a connection of its own: so they go round the workers. */
import { readFileSync, readdirSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { StreamableHTTPClientTransport as Sdk2Http } from '@modelcontextprotocol/client'
import { StreamableHTTPClientTransport as Sdk1Http } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import { Agent, fetch as undiciFetch } from 'undici'
import type { ProcessStatus, WorkerStatus } from '../src/apps/gateway/status.ts'
import { bearer, startGateway } from './gateway-process.ts'
import type { GatewayOptions, GatewayProcess } from './gateway-process.ts'

export interface Workers extends GatewayProcess {
  /** By its operations socket; undefined while nobody answers there. */
  look(): Promise<ProcessStatus | undefined>
  /** Resolves when so many serve, none of which was there `before`. */
  allReady(count: number): Promise<readonly WorkerStatus[]>
  metrics(): Promise<string>
  /** Of one metric of each worker, by its number; 0 where it has none. `labels` as they stand in the text. */
  samples(name: string, labels?: string): Promise<Readonly<Record<number, number>>>
}

const READY_MS = 20_000

export async function startWorkers(count: number, options: GatewayOptions = {}): Promise<Workers> {
  const gateway = await startGateway({ ...options, args: ['--workers', String(count), ...(options.args ?? [])] })
  const socketPath = join(gateway.dataDir, 'operations.sock')
  const look = (): Promise<ProcessStatus | undefined> => get(socketPath, '/status').then((text): ProcessStatus => JSON.parse(text), () => undefined)
  const workers: Workers = {
    ...gateway,
    look,
    async allReady(wanted) {
      for (const endAtMs = performance.now() + READY_MS; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
        const all = (await look())?.workers ?? []
        if (all.filter(({ state }) => state === 'ready').length === wanted) return all
        if (performance.now() > endAtMs) throw new Error(`Not all workers are ready: ${JSON.stringify(all)} ${gateway.stderr()}`)
      }
    },
    metrics: () => get(socketPath, '/metrics'),
    async samples(name, labels = '') {
      const lines = (await get(socketPath, '/metrics')).split('\n').filter((line) => line.startsWith(`${name}{${labels}`))
      const found: Record<number, number> = {}
      for (const line of lines) {
        const number = Number(/worker="(\d+)"/.exec(line)?.[1])
        found[number] = (found[number] ?? 0) + Number(line.slice(line.lastIndexOf(' ') + 1))
      }
      return found
    },
  }
  await workers.allReady(count)
  return workers
}

function get(socketPath: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath, path, timeout: 5_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(text))))
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer')))
    asked.on('error', reject).end()
  })
}

/** No connection is used twice. */
const fresh = new Agent({ pipelining: 0 })
// The types of the package and of Node's own are not the same to the compiler; what passes here is.
export const freshFetch = ((url: string | URL, init?: object) => undiciFetch(url, { ...init, dispatcher: fresh })) as unknown as typeof fetch

export function legacyTransport(at: GatewayProcess, path: string): Transport {
  return new Sdk1Http(new URL(`${at.url}${path}`), { requestInit: { headers: bearer(at) }, fetch: freshFetch }) as Transport
}

export function modernTransport(at: GatewayProcess, path: string): Sdk2Http {
  return new Sdk2Http(new URL(`${at.url}${path}`), { requestInit: { headers: bearer(at) }, fetch: freshFetch })
}

/** Processes whose command line holds `mark`, and that run: no zombies. Linux only. */
export function running(mark: string): number[] {
  return readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid) || pid === process.pid) return []
    try {
      const isZombie = /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
      return !isZombie && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(mark) ? [pid] : []
    } catch {
      return []
    }
  })
}
