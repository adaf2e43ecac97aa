/**
 * The admin API as a Fetch handler: the table of routes on Hono. Whoever gets here was let in by the guard or by the socket. Every
 * call that changes something leaves a record in the ledger, whatever came of it.
 */

import { Hono } from 'hono'
import type { Context } from 'hono'
import { PortolanError } from '../../protocol/error.ts'
import type { AdminAnswer, AdminResult, AdminRoute, AdminSource } from './admin-route.ts'
import { ANSWER_HEADERS, PROBLEMS, problemAnswer } from './problem.ts'
import type { Problem, WholeAnswer } from './problem.ts'
import type { AdminRecord } from './admin-record.ts'
import { ROUTES } from './routes.ts'

export const BASE_PATH = '/api/v1'

/** Who asks, and what is to be done for the ledger. */
export interface AdminVisit {
  /** For the ledger. */
  readonly operator: string
  readonly isStillWelcome: () => boolean
  readonly signal: AbortSignal
  record(record: AdminRecord): void
}

type Env = { readonly Bindings: AdminVisit }
type Visit = Context<Env>

/** Never rejects. */
export type AdminApp = (request: Request, visit: AdminVisit) => Promise<Response>

export function createAdminApp(source: AdminSource): AdminApp {
  const app = new Hono<Env>({ strict: true }).basePath(BASE_PATH)
  for (const route of ROUTES) app.on(route.verb.toUpperCase(), honoPath(route.path), (context) => serve(source, route, context))
  for (const path of new Set(ROUTES.map((route) => route.path))) {
    const allow = ROUTES.filter((route) => route.path === path).map(({ verb }) => verb.toUpperCase()).join(', ')
    app.all(honoPath(path), () => problemResponse({ code: 'method_not_allowed', detail: `Only ${allow} is answered here`, headers: { allow } }))
  }
  app.notFound(() => problemResponse({ code: 'not_found', detail: `See ${BASE_PATH}/openapi.json for what there is` }))
  app.onError((error) => problemResponse(problemOf(source, error)))
  return async (request, visit) => app.fetch(request, visit)
}

function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\}/g, ':$1')
}

async function serve(source: AdminSource, route: AdminRoute, context: Visit): Promise<Response> {
  const taken = route.take(new URL(context.req.url).searchParams)
  if (!taken.ok) return problemResponse(taken.fault)
  const { env: visit } = context
  const params = context.req.param()
  const startedTicks = source.clock.ticksMs()
  const result = await resultOf(source, () => taken.value.run({ source, params, isStillWelcome: visit.isStillWelcome, signal: visit.signal }))
  const status = 'problem' in result ? PROBLEMS[result.problem.code].status : result.status
  if (taken.value.isRecorded) {
    visit.record({
      operator: visit.operator, method: route.id, subject: params['id'] ?? params['server'] ?? '', server: 'problem' in result ? '' : (result.server ?? ''),
      outcome: 'problem' in result ? 'refused' : 'answered', status, errorCode: 'problem' in result ? result.problem.code : '', durationMs: source.clock.ticksMs() - startedTicks,
    })
  }
  return 'problem' in result ? problemResponse(result.problem) : responseOf(result)
}

async function resultOf(source: AdminSource, run: () => AdminResult | Promise<AdminResult>): Promise<AdminResult> {
  try {
    return await run()
  } catch (error) {
    return { problem: problemOf(source, error) }
  }
}

/** What the store says of itself is known; all else goes to the log and stays there. */
function problemOf({ log }: AdminSource, error: unknown): Problem {
  if (error instanceof PortolanError && error.code === 'state_unavailable') {
    return { code: 'state_unavailable', detail: 'The state store cannot be reached: ask again in a moment', headers: { 'retry-after': String(error.retryAfterSec ?? 1) } }
  }
  log.error({ detail: error instanceof Error ? (error.stack ?? error.message) : String(error) }, 'The admin API failed')
  return { code: 'internal', detail: 'Something failed inside: the log of Portolan says what' }
}

function responseOf({ status, headers, json, text, events }: AdminAnswer): Response {
  const body = events ?? text ?? (json === undefined ? null : `${JSON.stringify(json)}\n`)
  return new Response(body, { status, headers: { ...ANSWER_HEADERS, ...(json === undefined ? {} : { 'content-type': 'application/json' }), ...headers } })
}

function problemResponse(problem: Problem): Response {
  const { status, headers, text }: WholeAnswer = problemAnswer(problem)
  return new Response(text, { status, headers })
}
