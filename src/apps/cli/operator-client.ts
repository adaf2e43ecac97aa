/**
 * How operators' commands reach a Portolan that runs: over its operations socket, which only its owner can open, or from anywhere over
 * HTTP with an operator's token. Both answer the same admin API.
 */

import { request as requestHttp } from 'node:http'
import type { IncomingMessage, RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import { join, resolve } from 'node:path'
import { Option } from 'commander'
import type { Command } from 'commander'
import { isLoopback } from '../../adapters/http/allowed-host.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import { flagProblem, textOf } from '../gateway/flag-text.ts'
import { dataOption } from './option.ts'

export interface OperatorOptions {
  readonly data?: string
  readonly socket?: string
  readonly url?: string
  readonly operatorToken?: string
}

/** Everything rejects with what the gateway says, or where none answers. */
export interface OperatorClient {
  /** For people: what is asked. */
  readonly place: string
  get<T>(path: string): Promise<T>
  post<T>(path: string): Promise<T>
  delete(path: string): Promise<void>
  /** As it was sent. */
  text(path: string): Promise<string>
}

/** Adds the flags by which a command says whom to ask. */
export function withOperatorOptions(command: Command): Command {
  return command
    .addOption(dataOption())
    .option('--socket <path>', 'the operations socket, where the configuration moved it')
    .addOption(new Option('--url <url>', 'ask this Portolan instead, as clients reach it (default: $PORTOLAN_OPERATOR_URL, where neither --data nor --socket is given)').conflicts(['data', 'socket']))
    .option('--operator-token <token>', 'what portolan operator add printed there: env:NAME, file:/path or the token (default: $PORTOLAN_OPERATOR_TOKEN)')
}

/** Throws ConfigError for what cannot be asked. */
export function openOperatorClient(options: OperatorOptions, env: NodeJS.ProcessEnv = process.env): OperatorClient {
  const url = options.url ?? (options.data === undefined && options.socket === undefined ? (env['PORTOLAN_OPERATOR_URL'] ?? '') : '')
  const target = url === '' ? socketTarget(options, env) : urlTarget(url, options, env)
  const text = async (method: string, path: string): Promise<string> => {
    const { status, body } = await ask(target, method, `/api/v1${path}`)
    if (status >= 200 && status < 300) return body
    throw new Error(refusalText(status, body, target))
  }
  const json = async <T>(method: string, path: string): Promise<T> => {
    const body: T = JSON.parse(await text(method, path))
    return body
  }
  return {
    place: target.place,
    get: (path) => json('GET', path),
    post: (path) => json('POST', path),
    delete: async (path) => void (await text('DELETE', path)),
    text: (path) => text('GET', path),
  }
}

interface Target {
  readonly place: string
  readonly absent: string
  readonly request: typeof requestHttp
  readonly options: RequestOptions
  readonly basePath: string
}

function socketTarget({ data, socket }: OperatorOptions, env: NodeJS.ProcessEnv): Target {
  const socketPath = socket ?? join(resolve(data ?? defaultDataPath(env)), 'operations.sock')
  return {
    place: socketPath,
    absent: `No gateway runs at ${socketPath}. Start one with: portolan up (and give this command the same --data, or --url for one elsewhere)`,
    request: requestHttp,
    options: { socketPath, headers: { host: 'localhost' } },
    basePath: '',
  }
}

function urlTarget(text: string, { operatorToken }: OperatorOptions, env: NodeJS.ProcessEnv): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) throw flagProblem('--url', `${JSON.stringify(text)} is no http(s) URL`, 'Give what clients use, without /mcp: https://portolan.example')
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) throw flagProblem('--url', 'the token would cross the network in the clear', 'Use https, or a tunnel to a port of this machine')
  const token = textOf('--operator-token', operatorToken ?? env['PORTOLAN_OPERATOR_TOKEN'] ?? '', env).trim()
  if (!/^[\x21-\x7e]+$/.test(token)) throw flagProblem('--operator-token', 'there is none', 'Make one where that Portolan runs, with portolan operator add, and give it as env:NAME or file:/path')
  return {
    place: url.origin,
    absent: `No gateway answers at ${url.origin}. Check --url.`,
    request: url.protocol === 'https:' ? requestHttps : requestHttp,
    options: { hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port, headers: { authorization: `Bearer ${token}` } },
    basePath: url.pathname.replace(/\/+$/, ''),
  }
}

const ANSWER_MS = 30_000

function ask({ request, options, basePath, place, absent }: Target, method: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((accept, reject) => {
    const asked = request({ ...options, method, path: `${basePath}${path}`, timeout: ANSWER_MS }, (response: IncomingMessage) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject)
      response.on('end', () => accept({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }))
    })
    asked.on('timeout', () => asked.destroy(new Error(`The gateway at ${place} does not answer.`)))
    asked.on('error', (error) => reject('code' in error && ABSENT.has(String(error.code)) ? new Error(absent) : error))
    asked.end()
  })
}

const ABSENT: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH'])

const UNREADY: ReadonlySet<number> = new Set([502, 503, 504])

function refusalText(status: number, body: string, { place }: Target): string {
  try {
    const problem: { detail?: unknown } = JSON.parse(body)
    if (typeof problem.detail === 'string') return problem.detail
  } catch {
    // Whatever stands between is no Portolan.
  }
  if (UNREADY.has(status)) return `${place} answered ${status}: Portolan is starting or stopping there, or what stands before it cannot reach it. Ask again in a moment.`
  return `The gateway at ${place} answered ${status}. Is it a Portolan, and of this version?`
}
