/**
 * `input_required` and the requests inside it, read from a modern server's result and put in a legacy server's words, or
 * the other way (S26 basic/patterns/mrtr; S25 client/elicitation, sampling, roots). Bytes of params and answers stay.
 */

import { asciiJson, member, readJson, readString } from './json.ts'
import type { JsonNode, WireText } from './json.ts'
import { scanJson } from './json-scan.ts'
import { isJsonObject } from './json-value.ts'
import type { JsonObject } from './json-value.ts'
import { META } from './meta.ts'
import { fail, ok } from './result.ts'
import type { Result } from './result.ts'
import { splice } from './splice.ts'

/** One entry of `inputRequests`. */
export interface InputRequest {
  /** The server's own name for it. */
  readonly key: string
  readonly method: InputMethod
  /** As the server wrote them; '{}' where it wrote none. */
  readonly paramsText: WireText
  /** The same, to look at. */
  readonly params: JsonObject
}

/** What a server may ask for in the middle of a call; nothing else may stand in `inputRequests`. */
const INPUT_METHODS = ['elicitation/create', 'sampling/createMessage', 'roots/list'] as const
export type InputMethod = (typeof INPUT_METHODS)[number]

export interface InputRequired {
  readonly requests: readonly InputRequest[]
  /** The JSON string of `requestState` as it stood; undefined for none. */
  readonly stateText: WireText | undefined
}

export interface InputFault {
  readonly detail: string
}

/** Methods whose result may ask for input (S26 basic/patterns/mrtr, Supported Requests). */
export const ASKING_METHODS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read'])

/** More in one round is no question to a person. */
const MAX_REQUESTS = 64

const PLAN = { result: { inputRequests: { '*': { params: {} } } } }

/** Reads a whole response message whose `resultType` is `input_required`. */
export function readInputRequired(text: WireText): Result<InputRequired, InputFault> {
  // Its depth was bounded when it arrived.
  const scan = scanJson(text, PLAN, Infinity)
  if (!scan.ok) return fail({ detail: `${scan.fault.reason} in inputRequests` })
  const result = member(scan.value, 'result')
  const state = member(result, 'requestState')
  const asked = member(result, 'inputRequests')
  if (state !== undefined && state.kind !== 'string') return fail({ detail: 'requestState is no string' })
  if (asked !== undefined && asked.members === undefined) return fail({ detail: 'inputRequests is no object' })
  if (asked === undefined && state === undefined) return fail({ detail: 'neither inputRequests nor requestState' })
  if ((asked?.members?.size ?? 0) > MAX_REQUESTS) return fail({ detail: `more than ${MAX_REQUESTS} inputRequests` })
  const requests: InputRequest[] = []
  for (const [key, { value }] of asked?.members ?? []) {
    const request = readRequest(text, key, value)
    if (request === undefined) return fail({ detail: `inputRequests holds what nobody may ask for` })
    requests.push(request)
  }
  return ok({ requests, stateText: state === undefined ? undefined : text.slice(state.start, state.end) })
}

function readRequest(text: WireText, key: string, node: JsonNode): InputRequest | undefined {
  const method = INPUT_METHODS.find((one) => one === readString(text, member(node, 'method')))
  const params = member(node, 'params')
  const value = params === undefined ? {} : readJson(text, params)
  if (method === undefined || !isJsonObject(value)) return undefined
  return { key, method, paramsText: params === undefined ? '{}' : text.slice(params.start, params.end), params: value }
}

/** What of a request a revision has no words for, and what it needs. */
export interface LegacyWords {
  /** URL mode and `mode` itself exist (2025-11-25). */
  readonly hasUrlMode: boolean
  /** For a request in URL mode, which has an id of its own before 2026-07-28. */
  readonly elicitationId: string
}

/** The request as a legacy server would send it, as a whole message. */
export function legacyInputRequest({ method, paramsText, params }: InputRequest, idText: WireText, words: LegacyWords): WireText {
  const set = params['mode'] === 'url' ? { elicitationId: asciiJson(words.elicitationId) } : {}
  const text = edited(paramsText, set, words.hasUrlMode ? [] : ['mode'])
  return `{"jsonrpc":"2.0","id":${idText},"method":"${method}","params":${text}}`
}

/** What of a request's `_meta` has no place in an entry of a result; the task's id is the server's own besides. */
const LEGACY_META: readonly string[] = [META.progressToken, META.relatedTask]

/** One entry for `inputRequests`, from a legacy server's request; undefined for what a modern client cannot be asked. */
export function modernInputRequest(text: WireText): WireText | undefined {
  const scan = scanJson(text, { params: { _meta: {} } }, Infinity)
  const method = scan.ok ? INPUT_METHODS.find((one) => one === readString(text, member(scan.value, 'method'))) : undefined
  if (!scan.ok || method === undefined) return undefined
  const params = member(scan.value, 'params')
  if (params === undefined) return `{"method":"${method}"}`
  if (params.members === undefined) return undefined
  // No progress and no task belongs to an entry of a result; `elicitationId` does not exist any more.
  const meta = member(params, '_meta')
  const metaKeys = Array.from(meta?.members ?? [], ([key]) => key)
  const isMetaKept = metaKeys.some((key) => !LEGACY_META.includes(key))
  const own = splice(text, [
    ...(meta?.members !== undefined && isMetaKept ? [{ node: meta, remove: LEGACY_META }] : []),
    { node: params, remove: ['elicitationId', 'task', ...(metaKeys.length > 0 && !isMetaKept ? ['_meta'] : [])] },
  ])
  const after = own.length - (text.length - params.end)
  return `{"method":"${method}","params":${own.slice(params.start, after)}}`
}

/** Entries for the visits that a legacy server's error −32042 demands (S25 client/elicitation, URL Elicitation Required). */
export function visitRequests(elicitations: unknown): readonly WireText[] {
  const all: readonly unknown[] = Array.isArray(elicitations) ? elicitations : []
  return all.flatMap((one) => {
    if (!isJsonObject(one) || one['mode'] !== 'url') return []
    const { elicitationId: _id, ...params } = one
    return [`{"method":"elicitation/create","params":${asciiJson(params)}}`]
  })
}

function edited(objectText: WireText, set: Readonly<Record<string, WireText>>, remove: readonly string[]): WireText {
  const scan = scanJson(objectText, {}, Infinity)
  return scan.ok && scan.value.members !== undefined ? splice(objectText, [{ node: scan.value, set, remove }]) : objectText
}

/** The members of `inputResponses`, as they stand; undefined where it is none. */
export function readInputResponses(text: WireText): ReadonlyMap<string, WireText> | undefined {
  const scan = scanJson(text, {}, Infinity)
  if (!scan.ok || scan.value.members === undefined) return undefined
  return new Map([...scan.value.members].map(([key, { value }]) => [key, text.slice(value.start, value.end)]))
}

/** An object of texts that are JSON already. */
export function objectText(members: Iterable<readonly [key: string, value: WireText]>): WireText {
  return `{${Array.from(members, ([key, value]) => `${asciiJson(key)}:${value}`).join(',')}}`
}
