/**
 * Where the admin API is entered: on the public listener by operators with their token, on the operations socket by whoever can open it.
 * What is behind it, a framework among it, is loaded when the first who was let in comes: a start without it costs nothing.
 */

import { answerByWeb, webRequestOf } from '../../adapters/http/web-answer.ts'
import type { ControlRoute } from '../../adapters/http/control-route.ts'
import { createRateBook } from '../../adapters/memory/rate-book.ts'
import type { HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'
import type { Result } from '../../protocol/result.ts'
import type { AdminApp } from './admin-app.ts'
import { recordAdmin } from './admin-record.ts'
import type { AdminTransport } from './admin-record.ts'
import type { AdminSource, WholeSource } from './admin-route.ts'
import { createOperatorGuard } from './operator-guard.ts'
import { LOCAL_OPERATOR } from './operators.ts'
import { PROBLEMS, problemAnswer } from './problem.ts'
import type { Problem } from './problem.ts'

export interface AdminDoor {
  /** For the public listener. */
  readonly publicRoute: ControlRoute
  /** For a socket that only its owner can open. */
  readonly socketRoute: ControlRoute
  /** Ends what is streamed, so that a drain need not wait for it. */
  close(): void
}

export interface AdminDoorOptions {
  /** See `operators.ts`. */
  readonly operatorsPath: string
  /** Its origin is our own; undefined where none is configured. */
  readonly publicUrl: string | undefined
  /** Whom the public listener asks for what concerns all workers; undefined where this process does it all. */
  readonly whole?: WholeSource | undefined
}

/** Somebody who was let in. */
interface Guest {
  readonly name: string
  isStillWelcome(): boolean
}

type LetIn = (request: HttpRequest) => Result<Guest, Problem>

/** A body is ignored by every route; one that is larger than this is somebody's mistake, or worse. */
const MAX_BODY_BYTES = 4_096

export function createAdminDoor(source: AdminSource, { operatorsPath, publicUrl, whole }: AdminDoorOptions): AdminDoor {
  const guard = createOperatorGuard({
    path: operatorsPath,
    rates: createRateBook(source.clock),
    onBadFile: (fault) => source.log.error({ fault }, 'Nobody is let in to the admin API'),
  })
  const ends = new AbortController()
  const loading = new Map<AdminTransport, Promise<AdminApp>>()
  const load = (transport: AdminTransport): Promise<AdminApp> => {
    const loaded = loading.get(transport) ?? import('./admin-app.ts').then(({ createAdminApp }) => createAdminApp(transport === 'http' ? { ...source, ...whole } : source))
    loading.set(transport, loaded)
    return loaded
  }

  const operators: LetIn = (request) => {
    const checked = guard.check(request)
    return checked.ok ? { ok: true, value: { name: checked.value.name, isStillWelcome: () => guard.isStill(checked.value) } } : checked
  }
  const owner: LetIn = () => ({ ok: true, value: { name: LOCAL_OPERATOR, isStillWelcome: () => true } })

  const refuse = (transport: AdminTransport, response: HttpResponse, problem: Problem): void => {
    // A flood of wrong tokens must not fill the ledger: beyond their rate they leave no record.
    if (problem.code === 'unauthorized') recordAdmin(source, transport, { operator: '', method: '', subject: '', server: '', outcome: 'challenge', status: 401, errorCode: problem.code, durationMs: 0 })
    const { status, headers, text } = problemAnswer(problem)
    response.answer(status, headers, Buffer.from(text).toString('latin1'))
  }
  const enter = async (transport: AdminTransport, letIn: LetIn, request: HttpRequest, response: HttpResponse): Promise<void> => {
    if (isForeign(request, publicUrl)) return refuse(transport, response, { code: 'forbidden_origin', detail: 'Ask from a page of this address, or without one' })
    const guest = letIn(request)
    if (!guest.ok) return refuse(transport, response, guest.fault)
    if (isTooLarge(request)) return refuse(transport, response, { code: 'body_too_large', detail: 'Send none' })
    if (!VERBS.has(request.verb)) return refuse(transport, response, { code: 'method_not_allowed', detail: 'Only GET, POST and DELETE are answered here', headers: { allow: 'GET, POST, DELETE' } })
    const gone = new AbortController()
    const webRequest = webRequestOf(request, gone.signal)
    if (webRequest === undefined) return refuse(transport, response, { code: 'not_found', detail: 'Write the path without dots and escapes' })
    const { name, isStillWelcome } = guest.value
    const app = await load(transport)
    const visit = { operator: name, isStillWelcome, signal: ends.signal, record: (record: Parameters<typeof recordAdmin>[2]) => recordAdmin(source, transport, record) }
    await answerByWeb(webRequest, response, { gone, ends: ends.signal }, (given) => app(given, visit))
  }
  const routeFor = (transport: AdminTransport, letIn: LetIn): ControlRoute => ({
    path: '/api/', open: false, sameOrigin: true,
    handle: (request, response) => void enter(transport, letIn, request, response).catch((error: unknown) => {
      source.log.error({ detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }, 'The admin API failed')
      if (response.headSent) response.destroy()
      else response.answer(PROBLEMS.internal.status, {}, '')
    }),
  })
  return { publicRoute: routeFor('http', operators), socketRoute: routeFor('socket', owner), close: () => ends.abort() }
}

const VERBS: ReadonlySet<string> = new Set(['GET', 'POST', 'DELETE'])

/** A browser names the page's origin on whatever could change something, and on every request of another origin's page. */
function isForeign(request: HttpRequest, publicUrl: string | undefined): boolean {
  const origin = request.header('origin')
  if (origin === undefined) return false
  if (!URL.canParse(origin)) return true
  const { host, origin: given } = new URL(origin)
  return host !== request.header('host') && (publicUrl === undefined || given !== new URL(publicUrl).origin)
}

function isTooLarge(request: HttpRequest): boolean {
  return request.header('transfer-encoding') !== undefined || Number(request.header('content-length') ?? 0) > MAX_BODY_BYTES
}
