/**
 * Refusals of the admin API as problem details (RFC 9457). Codes that MCP clients get, too, have the same names and are explained
 * in docs/errors.md; the others are the API's own. All stand in docs/reference/admin-api.md, and a test compares.
 */

export const PROBLEMS = {
  invalid_params: { status: 400, title: 'A parameter is wrong' },
  unauthorized: { status: 401, title: 'An operator\'s token is needed' },
  forbidden_origin: { status: 403, title: 'Pages of other origins may not ask' },
  not_found: { status: 404, title: 'There is no such path' },
  unknown_server: { status: 404, title: 'There is no such server' },
  task_not_found: { status: 404, title: 'There is no such task' },
  method_not_allowed: { status: 405, title: 'This cannot be done here' },
  task_over: { status: 409, title: 'The task has ended' },
  task_not_over: { status: 409, title: 'The task has not ended' },
  task_not_dead: { status: 409, title: 'Only a dead task can be retried' },
  task_retried: { status: 409, title: 'The task was retried already' },
  body_too_large: { status: 413, title: 'No request here has a body' },
  rate_limited: { status: 429, title: 'Too many wrong tokens from this address' },
  internal: { status: 500, title: 'Internal error' },
  no_task_store: { status: 501, title: 'This gateway has no store for tasks' },
  state_unavailable: { status: 503, title: 'The state store cannot be reached' },
  too_many_streams: { status: 503, title: 'Too many open streams' },
} as const satisfies Record<string, { readonly status: number; readonly title: string }>

export type ProblemCode = keyof typeof PROBLEMS

export interface Problem {
  readonly code: ProblemCode
  /** What to do about it; holds no secret. */
  readonly detail: string
  /** Members of its own, such as the task that a retry made. */
  readonly more?: Readonly<Record<string, unknown>>
  readonly headers?: Readonly<Record<string, string>>
}

/** A whole answer, whoever writes it. */
export interface WholeAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** What no answer of the API may be kept or taken for. */
export const ANSWER_HEADERS = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const

export function problemAnswer({ code, detail, more, headers }: Problem): WholeAnswer {
  const { status, title } = PROBLEMS[code]
  // `about:blank` says that there is nothing more to read at the type (RFC 9457 §4.2.1); `code` is what programs go by.
  const body = { type: 'about:blank', title, status, detail, code, ...more }
  return { status, headers: { ...ANSWER_HEADERS, ...headers, 'content-type': 'application/problem+json' }, text: `${JSON.stringify(body)}\n` }
}
