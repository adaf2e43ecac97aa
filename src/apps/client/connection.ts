/**
 * A connection to one server in one era. Requests give what the server sent, not what an SDK made of it; `input_required` is
 * answered and the request repeated until a result comes.
 */

import { ProtocolError, SdkError } from '@modelcontextprotocol/client'
import type { Client } from '@modelcontextprotocol/client'
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { META } from '../../protocol/meta.ts'
import type { Era } from '../../protocol/revision.ts'
import { ClientError, RpcError } from './client-error.ts'
import { MAX_ROUNDS, answerRound, tooManyRounds } from './input.ts'
import type { InputHandler } from './input.ts'
import { createdTaskId, followCall, followTask } from './task.ts'
import type { FollowOptions } from './task.ts'
import { paramHeadersOf } from './tool-headers.ts'
import type { RawAnswer, RawResult, Tap } from './tap.ts'

/** What `notifications/progress` carries. */
export interface ProgressUpdate {
  readonly progress: number
  readonly total?: number | undefined
  readonly message?: string | undefined
}

export interface RequestOptions {
  /** Aborting cancels the request at the server: a notification in a legacy session and on a pipe, the closed stream otherwise. */
  readonly signal?: AbortSignal
  readonly onProgress?: (update: ProgressUpdate) => void
  /** Asks a legacy session for a task instead of a result (S25 tasks, Creating Tasks); in 2026-07-28 the server decides. */
  readonly task?: { readonly ttlMs?: number | undefined }
  /** A task is the answer then, and not followed. */
  readonly isDetached?: boolean
  /** The tool's definition: which arguments are mirrored into headers (2026-07-28 over HTTP). */
  readonly tool?: JsonObject
}

export interface Connection {
  readonly era: Era
  readonly revision: string
  /** As the server calls itself; '' where it does not say. */
  readonly serverName: string
  readonly capabilities: JsonObject
  readonly isHttp: boolean
  /** Rejects with RpcError for an error response, ClientError otherwise. */
  request(method: string, params: JsonObject, options?: RequestOptions): Promise<RawResult>
  /** Follows a task to its result as if it were a call's; aborting leaves it as it is. */
  follow(taskId: string, options?: RequestOptions): Promise<RawResult>
  /** Something of the session goes on: a legacy one is not ended with the connection. */
  leave(): void
  /** Opens a subscription (modern only); resolves when the server has acknowledged. `ended` says who closed it. */
  listen(filter: JsonObject, signal: AbortSignal): Promise<{ readonly honored: JsonObject; readonly ended: Promise<'local' | 'graceful' | 'remote'> }>
  close(): Promise<void>
}

export interface ConnectionParts {
  readonly client: Client
  readonly tap: Tap
  readonly isHttp: boolean
  readonly input: InputHandler | undefined
  /** Log level to ask for with each request; a legacy session is told once, by whoever wants it. */
  readonly logLevel: string | undefined
  /** Why the other side is gone, where it is a child process. */
  readonly ended: () => ClientError | undefined
  readonly close: (isLeft: boolean) => Promise<void>
}

/** The SDK's timers take no more; whoever waits can press Ctrl+C. */
const NO_TIMEOUT_MS = 2_147_483_647
/** Between rounds that ask for nothing: the server only wants to be asked again. */
const EMPTY_ROUND_PAUSE_MS = 250
const ANY_RESULT = z.looseObject({})

export function createConnection(parts: ConnectionParts): Connection {
  const { client, tap, isHttp } = parts
  const era: Era = client.getProtocolEra() === 'modern' ? 'modern' : 'legacy'
  const capabilities: unknown = client.getServerCapabilities() ?? {}
  let isLeft = false

  function followOf({ signal, onProgress }: RequestOptions): FollowOptions {
    let count = 0
    return {
      ask: (method, params, until) => once(method, params, { ...(until !== undefined && { signal: until }) }),
      input: parts.input,
      signal,
      onStatus: (message) => onProgress?.({ progress: (count += 1), message }),
    }
  }

  /** What came, or what comes of the task that came. */
  async function settle(method: string, result: RawResult, options: RequestOptions): Promise<RawResult> {
    const taskId = createdTaskId(method, result, era, options.task !== undefined)
    return taskId === undefined || options.isDetached === true ? result : followCall(taskId, era, followOf(options))
  }

  async function once(method: string, params: JsonObject, options: RequestOptions): Promise<RawResult> {
    const { settled, answer } = tap.follow(() => client.request(
      { method, params: { ...params } },
      ANY_RESULT,
      {
        timeout: NO_TIMEOUT_MS,
        allowInputRequired: true,
        ...(options.signal !== undefined && { signal: options.signal }),
        ...(options.onProgress !== undefined && { onprogress: options.onProgress }),
        ...(era === 'modern' && isHttp && { headers: paramHeadersOf(options.tool, params) }),
      },
    ))
    try {
      const decoded = await settled
      // A resumed stream or another path that the tap did not hear.
      return answer.result ?? { text: JSON.stringify(decoded), value: toJson(decoded) }
    } catch (error) {
      if (answer.result !== undefined && options.signal?.aborted !== true) return answer.result
      throw failure(error, answer, parts.ended())
    }
  }

  return {
    era,
    revision: client.getNegotiatedProtocolVersion() ?? '',
    serverName: client.getServerVersion()?.title ?? client.getServerVersion()?.name ?? '',
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    isHttp,
    async request(method, params, options = {}) {
      if (era === 'legacy') return settle(method, await visiting(parts.input, () => once(method, legacyParams(params, options), options), options.signal), options)
      const first = parts.logLevel !== undefined ? withLogLevel(params, parts.logLevel) : params
      let current = first
      for (let round = 0; round < MAX_ROUNDS; round += 1) {
        const result = await once(method, current, options)
        if (result.value['resultType'] !== 'input_required') return settle(method, result, options)
        current = { ...first, ...(await nextRound(parts.input, result.value, options.signal)) }
      }
      throw tooManyRounds()
    },
    async listen(filter, signal) {
      try {
        const subscription = await client.listen({ ...filter }, { signal })
        return { honored: toJson(subscription.honoredFilter), ended: subscription.closed }
      } catch (error) {
        throw failure(error, {}, parts.ended())
      }
    },
    follow: (taskId, options = {}) => followTask(taskId, era, followOf(options)),
    leave: () => void (isLeft = true),
    close: () => parts.close(isLeft),
  }
}

function legacyParams(params: JsonObject, { task }: RequestOptions): JsonObject {
  return task === undefined ? params : { ...params, task: task.ttlMs === undefined ? {} : { ttl: task.ttlMs } }
}

function toJson(value: unknown): JsonObject {
  return isJsonObject(value) ? value : {}
}

function withLogLevel(params: JsonObject, level: string): JsonObject {
  return { ...params, _meta: { ...toJson(params['_meta']), [META.logLevel]: level } }
}

/** What the repeated request carries more: the answers, and the server's state exactly as it came, where it came. */
async function nextRound(input: InputHandler | undefined, result: JsonObject, signal = new AbortController().signal): Promise<JsonObject> {
  const { inputRequests, requestState } = result
  const answers = await answerRound(input, toJson(inputRequests), signal)
  const isEmpty = Object.keys(answers).length === 0
  if (isEmpty) await sleep(EMPTY_ROUND_PAUSE_MS, undefined, { signal }).catch(() => undefined)
  return { ...(!isEmpty && { inputResponses: answers }), ...(typeof requestState === 'string' && { requestState }) }
}

/** S25 client/elicitation, URLElicitationRequiredError: the call was refused before it ran, until the person has visited a page. */
const URL_REQUIRED = -32042
const VISIT_POLL_MS = 2_000
const MAX_VISIT_TRIES = 150

/** Repeats what was refused so; each page is offered once. A page that is declined is the end. */
async function visiting(input: InputHandler | undefined, request: () => Promise<RawResult>, signal = new AbortController().signal): Promise<RawResult> {
  const visited = new Set<string>()
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request()
    } catch (error) {
      const pages = error instanceof RpcError && error.rpcCode === URL_REQUIRED && isJsonObject(error.data) ? error.data['elicitations'] : undefined
      if (input === undefined || !Array.isArray(pages) || pages.length === 0 || attempt === MAX_VISIT_TRIES) throw error
      const fresh = pages.filter(isJsonObject).filter(({ elicitationId }) => !visited.has(String(elicitationId)))
      for (const page of fresh) {
        visited.add(String(page['elicitationId']))
        const { action } = await input.elicit({ mode: 'url', ...page }, signal)
        if (action !== 'accept') throw error
      }
      if (fresh.length === 0) await sleep(VISIT_POLL_MS, undefined, { signal })
    }
  }
}

/** The one error that the caller sees. */
export function failure(error: unknown, answer: RawAnswer, ended: ClientError | undefined): Error {
  const { error: raw } = answer
  if (raw !== undefined) return new RpcError(raw.code, raw.message, { ...raw, advice: adviceFor(raw.code) })
  if (error instanceof ClientError) return error
  if (error instanceof ProtocolError) {
    const { code, message, data } = error
    return new RpcError(code, message, { text: JSON.stringify({ code, message, data }), data, advice: adviceFor(code) })
  }
  if (ended !== undefined) return ended
  if (error instanceof SdkError) return new ClientError('lost', error.message, '', error)
  return error instanceof Error ? error : new Error(String(error))
}

const ADVICE: Readonly<Record<number, string>> = {
  [-32001]: 'The session has ended, perhaps because its server was restarted: try again, if it may be done twice.',
  [-32020]: 'The server changed this tool in the meantime: try again.',
  [-32021]: 'The server wants something of its client that was not offered.',
  [-32022]: 'The server does not speak this revision: leave --revision out, or try --era legacy.',
}

function adviceFor(code: number): string {
  return ADVICE[code] ?? ''
}
