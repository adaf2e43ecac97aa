/**
 * A request of the listener, answered by what speaks Fetch: for control routes only, it costs several times what node:http does.
 * Such a handler gets verb, path and query: no header (a token among them) and no body. What it streams is written as fast as the
 * client reads.
 */
import type { HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'

/** Never rejects; `request.signal` says that the client has gone. */
export type WebHandler = (request: Request) => Promise<Response>

/** Letters, digits and `-._~`: what needs no escape is the same with and without one (RFC 3986 §6.2.2.2), but not to every proxy's rules. */
const ESCAPED_UNRESERVED = /%(?:2[de]|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])/i

/** The request for such a handler; undefined for verbs that Fetch refuses, and for paths that two parsers would read differently. */
export function webRequestOf(request: HttpRequest, signal: AbortSignal): Request | undefined {
  const query = request.query.toString()
  const target = `http://portolan${request.path}${query === '' ? '' : `?${query}`}`
  // `..`, `%2e%2e`, backslashes and the like are resolved by URL: whoever looked at the path before saw another one.
  if (ESCAPED_UNRESERVED.test(request.path) || !URL.canParse(target) || new URL(target).pathname !== request.path) return undefined
  try {
    return new Request(target, { method: request.verb, signal })
  } catch {
    return undefined
  }
}

/** `ends`: nobody waits for a client any more that does not read; its connection is cut. */
export interface WebEnds {
  /** Aborted when the client has gone. */
  readonly gone: AbortController
  readonly ends: AbortSignal
}

/** Resolves when the answer was given, or its client has gone. */
export async function answerByWeb(request: Request, response: HttpResponse, { gone, ends }: WebEnds, handler: WebHandler): Promise<void> {
  response.onGone(() => gone.abort())
  const answer = await handler(request)
  const headers = Object.fromEntries(answer.headers)
  if (answer.headers.get('content-type')?.startsWith('text/event-stream') === true && answer.body !== null) return pass(answer.body, response, () => response.head(answer.status, headers), [gone.signal, ends])
  const bytes = Buffer.from(await answer.arrayBuffer())
  // node:http reckons the length itself.
  delete headers['content-length']
  response.answer(answer.status, headers, bytes.toString('latin1'))
}

async function pass(body: ReadableStream<Uint8Array>, response: HttpResponse, begin: () => void, [gone, ends]: readonly [AbortSignal, AbortSignal]): Promise<void> {
  const reader = body.getReader()
  const cancel = (): void => void reader.cancel().catch(() => undefined)
  if (gone.aborted) return cancel()
  gone.addEventListener('abort', cancel, { once: true })
  begin()
  for (;;) {
    const { done, value } = await reader.read()
    if (done || gone.aborted) break
    if (response.write(Buffer.from(value).toString('latin1')) || (await isTaken(response, [gone, ends]))) continue
    cancel()
    if (!gone.aborted) return response.destroy()
    break
  }
  response.end()
}

/** False: one of the signals came first. */
async function isTaken(response: HttpResponse, signals: readonly AbortSignal[]): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const give = (): void => resolve(false)
  for (const signal of signals) signal.addEventListener('abort', give)
  response.onDrain(() => resolve(true))
  if (signals.some(({ aborted }) => aborted)) give()
  const taken = await promise
  for (const signal of signals) signal.removeEventListener('abort', give)
  return taken
}
