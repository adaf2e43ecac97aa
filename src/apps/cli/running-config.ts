/** What the Portolan that runs here serves: asked over its operations socket, which only its owner can open. */

import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { ConfigModel } from '../gateway/config-diff.ts'
import { realPathOf } from '../gateway/config-inspect.ts'
import type { Config } from '../gateway/config.ts'
import { defaultDataPath } from '../gateway/data-folder.ts'
import type { ProcessStatus } from '../gateway/status.ts'

const ANSWER_MS = 5_000
/** A file watcher has seen a change by then. */
const UPTAKE_MS = 4_000
const POLL_MS = 100

export interface SocketOptions {
  readonly data?: string
  readonly socket?: string
}

/** Of the Portolan that has this data folder; `config` may have moved the socket. */
export function operationsSocket(options: SocketOptions, config?: { readonly path: string; readonly config: Config }): string {
  if (options.socket !== undefined) return options.socket
  const moved = config?.config.portolan.operations?.socket
  if (config !== undefined && moved !== undefined) return resolve(config.path, '..', moved)
  return join(resolve(options.data ?? defaultDataPath(process.env)), 'operations.sock')
}

/** Undefined where none runs. Rejects where what runs cannot tell. */
export async function askConfig(socketPath: string): Promise<ConfigModel | undefined> {
  const text = await ask(socketPath, '/config')
  const model: ConfigModel | undefined = text === undefined ? undefined : JSON.parse(text)
  return model
}

/** Undefined where none runs. */
export async function askStatus(socketPath: string): Promise<ProcessStatus | undefined> {
  const text = await ask(socketPath, '/status')
  const status: ProcessStatus | undefined = text === undefined ? undefined : JSON.parse(text)
  return status
}

function ask(socketPath: string, path: string): Promise<string | undefined> {
  return new Promise((accept, reject) => {
    const asked = request({ socketPath, path, timeout: ANSWER_MS }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode === 200) accept(Buffer.concat(chunks).toString('utf8'))
        else reject(new Error(`The Portolan at ${socketPath} does not tell its configuration (${response.statusCode}): it is of an older version. Restart it.`))
      })
    })
    asked.on('timeout', () => asked.destroy(new Error(`The Portolan at ${socketPath} does not answer.`)))
    asked.on('error', (error) => {
      const isAbsent = 'code' in error && ['ENOENT', 'ECONNREFUSED', 'EACCES', 'ENOTDIR'].includes(String(error.code))
      if (isAbsent) accept(undefined)
      else reject(error)
    })
    asked.end()
  })
}

/** What became of an edit in the process that serves the file. `none`: no Portolan, or one with another file. */
export interface Uptake {
  readonly state: 'none' | 'taken' | 'refused' | 'waiting'
  /** For people, with what to do. */
  readonly message: string
}

/** Waits a moment for the running Portolan to serve the configuration with this digest. Never rejects. */
export async function followUptake(path: string, digest: string, socketPath: string): Promise<Uptake> {
  const none: Uptake = { state: 'none', message: `No Portolan runs with this file. Start one with: portolan up --config ${path}` }
  try {
    const served = await askConfig(socketPath)
    if (served === undefined) return none
    if (served.path === '') return { state: 'none', message: `The Portolan that runs here was started without a file: restart it with --config ${path}` }
    if (served.path !== realPathOf(path)) return { state: 'none', message: `The Portolan that runs here serves another file (${served.source}), not this one.` }
    return await poll(digest, socketPath, none)
  } catch (error) {
    return { state: 'none', message: error instanceof Error ? error.message : String(error) }
  }
}

async function poll(digest: string, socketPath: string, none: Uptake): Promise<Uptake> {
  const giveUpAtMs = Date.now() + UPTAKE_MS
  for (;;) {
    const status = await askStatus(socketPath)
    if (status === undefined) return none
    if (status.config.digest === digest) return { state: 'taken', message: `The running Portolan (process ${status.pid}) serves the file as it is now.` }
    if (Date.now() > giveUpAtMs) {
      const { refusal } = status.config
      if (refusal !== '') return { state: 'refused', message: `The running Portolan refused it and keeps the previous configuration: ${refusal}` }
      return { state: 'waiting', message: 'The running Portolan has not taken it up. Make it with: portolan reload' }
    }
    await wait(POLL_MS)
  }
}
