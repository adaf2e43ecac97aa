/** Finds the Portolan that runs here: its operations socket says where it listens and what it serves, its token file lets in. */

import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { ClientError } from './client-error.ts'

/** One endpoint of the running Portolan: `/<name>/mcp`. */
export interface PortolanServer {
  readonly name: string
  /** `stdio`, `http`, or `virtual` for a view over other servers. */
  readonly kind: string
  /** `ready`, `starting`, `degraded`, …; '' where the status does not say. */
  readonly state: string
  readonly eras: readonly string[]
  /** What a degraded one said last. */
  readonly detail: string
}

export interface RunningPortolan {
  /** `http://127.0.0.1:7400`, without a slash at the end. */
  readonly baseUrl: string
  /** '' where none is needed. */
  readonly token: string
  readonly version: string
  readonly servers: readonly PortolanServer[]
  /** `/status` as it was sent. */
  readonly statusText: string
}

export interface FindOptions {
  readonly data?: string | undefined
  readonly socket?: string | undefined
  readonly timeoutMs?: number
}

const ANSWER_MS = 5_000

/** Rejects with ClientError `not_running`, or `unauthorized` where the token cannot be read. */
export async function findPortolan({ data, socket, timeoutMs = ANSWER_MS }: FindOptions): Promise<RunningPortolan> {
  const folder = resolve(data ?? defaultDataPath(process.env))
  const statusText = await askStatus(socket ?? join(folder, 'operations.sock'), timeoutMs)
  const status: unknown = JSON.parse(statusText)
  if (!isJsonObject(status)) throw new ClientError('not_running', 'What answers at the operations socket is no Portolan.', 'Check --data and --socket.')
  return {
    baseUrl: baseUrlOf(status),
    token: status['auth'] === 'none' ? '' : await readToken(join(folder, 'token')),
    version: text(status['version']),
    servers: serversOf(status),
    statusText: statusText.trimEnd(),
  }
}

function askStatus(socketPath: string, timeoutMs: number): Promise<string> {
  return new Promise((accept, reject) => {
    const advice = 'Start one with: portolan up (and give this command the same --data). Or name a server with --url, or its command after --.'
    const absent = new ClientError('not_running', `No Portolan runs here: nothing answers at ${socketPath}.`, advice)
    const asked = request({ socketPath, path: '/status', timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => accept(Buffer.concat(chunks).toString('utf8')))
      response.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new ClientError('not_running', `The Portolan at ${socketPath} does not answer.`, 'See its log, or restart it.')))
    asked.on('error', (error) => reject(error instanceof ClientError ? error : absent))
    asked.end()
  })
}

function baseUrlOf({ listening }: JsonObject): string {
  const addresses = Array.isArray(listening) ? listening.map(text).filter((address) => /^https?:/.test(address)) : []
  const [address] = addresses
  if (address === undefined) throw new ClientError('unreachable', 'This Portolan listens on a unix socket only, which this command cannot use.', 'Let it listen on a port of 127.0.0.1 too (--host, --port).')
  const url = new URL(address)
  // Whoever listens everywhere can be reached here.
  if (url.hostname === '0.0.0.0') url.hostname = '127.0.0.1'
  if (url.hostname === '[::]') url.hostname = '[::1]'
  return url.href.replace(/\/+$/, '')
}

async function readToken(path: string): Promise<string> {
  try {
    return (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new ClientError('unauthorized', `The token in ${path} cannot be read.`, 'Run this as the user that Portolan runs as, or give --token.', error)
  }
}

/** Servers and virtual servers, in the order of the configuration. */
function serversOf(status: JsonObject): PortolanServer[] {
  return [...entries(status['servers'], ''), ...entries(status['virtualServers'], 'virtual')]
}

function entries(list: unknown, kind: string): PortolanServer[] {
  if (!Array.isArray(list)) return []
  return list.flatMap((entry: unknown) => {
    if (typeof entry === 'string') return [{ name: entry, kind, state: '', eras: [], detail: '' }]
    if (!isJsonObject(entry) || typeof entry['name'] !== 'string') return []
    const eras = Array.isArray(entry['eras']) ? entry['eras'].map(text) : []
    return [{ name: entry['name'], kind: kind || text(entry['transport']), state: text(entry['state']), eras, detail: text(entry['detail']) }]
  })
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
