/**
 * The same for frameworks that speak Fetch: a web `Request` in, a web `Response` out. It costs several times what node:http
 * does and is meant for gateways inside an application, not for the front of many.
 */
import type { BodyFault, HttpRequest, HttpResponse } from '../../core/gateway/http-exchange.ts'
import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import { createHostCheck } from './allowed-host.ts'
import { createCors, isPreflight } from './cors.ts'
import type { HttpListenerParts } from './listener.ts'
import type { RequestHandlerOptions } from './request-handler.ts'

type Body = { readonly ok: true; readonly value: string } | { readonly ok: false; readonly fault: BodyFault }
type Limits = Pick<typeof DEFAULT_LIMITS, 'bodyBytes' | 'bodyTimeoutMs'>

/** Throws TypeError for options that cannot work. The handler never rejects. */
export function createFetchHandler(options: RequestHandlerOptions, parts: HttpListenerParts): (request: Request) => Promise<Response> {
  const hosts = createHostCheck({ ...options, boundHost: '' })
  const cors = createCors(options)
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  return (given) =>
    new Promise((resolve) => {
      const origin = given.headers.get('origin') ?? undefined
      const isAllowed = origin === undefined || cors.allows(origin)
      const request = readRequest(given, parts, limits)
      const response = createResponse(given, resolve, origin !== undefined && isAllowed ? cors.answerHeaders(origin) : {})
      const { host } = new URL(given.url)
      if (!hosts.allows(given.headers.get('host') ?? host)) parts.mcp.handle(request, response, { code: 'forbidden_host' })
      else if (!isAllowed) parts.mcp.handle(request, response, { code: 'forbidden_origin' })
      else if (origin !== undefined && isPreflight(request)) response.answer(204, cors.preflightHeaders(origin, request), '')
      else parts.mcp.handle(request, response, undefined)
    })
}

function readRequest(given: Request, parts: HttpListenerParts, limits: Limits): HttpRequest {
  const url = new URL(given.url)
  let body: Promise<Body> | undefined
  return {
    verb: given.method,
    path: url.pathname,
    query: url.searchParams,
    header: (name) => given.headers.get(name) ?? undefined,
    headersWith: (prefix) => [...given.headers].filter(([name]) => name.startsWith(prefix)),
    body: () => (body ??= readBody(given, parts, limits)),
    remoteAddress: '',
  }
}

async function readBody(given: Request, { clock }: HttpListenerParts, { bodyBytes, bodyTimeoutMs }: Limits): Promise<Body> {
  if (given.body === null) return { ok: true, value: '' }
  const reader = given.body.getReader()
  const chunks: Uint8Array[] = []
  let receivedBytes = 0
  let isLate = false
  const stopTimer = clock.after(bodyTimeoutMs, () => {
    isLate = true
    void reader.cancel().catch(() => undefined)
  })
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (isLate) return { ok: false, fault: { reason: 'timeout' } }
      if (done) return { ok: true, value: Buffer.concat(chunks, receivedBytes).toString('latin1') }
      receivedBytes += value.length
      if (receivedBytes > bodyBytes) {
        void reader.cancel().catch(() => undefined)
        return { ok: false, fault: { reason: 'too_large' } }
      }
      chunks.push(value)
    }
  } catch {
    return { ok: false, fault: { reason: 'disconnected' } }
  } finally {
    stopTimer()
  }
}

function createResponse(given: Request, resolve: (response: Response) => void, cors: Readonly<Record<string, string>>): HttpResponse {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let isHeadSent = false
  let isOver = false
  let onDrain: (() => void) | undefined
  let onGone: (() => void) | undefined
  const gone = (): void => {
    if (isOver) return
    isOver = true
    onGone?.()
  }
  given.signal.addEventListener('abort', gone, { once: true })
  const end = (): void => {
    isOver = true
    given.signal.removeEventListener('abort', gone)
  }
  return {
    get headSent() {
      return isHeadSent || isOver
    },
    head(status, headers) {
      if (isHeadSent || isOver) return
      isHeadSent = true
      const stream = new ReadableStream<Uint8Array>({
        start: (opened) => void (controller = opened),
        pull() {
          const run = onDrain
          onDrain = undefined
          run?.()
        },
        cancel: gone,
      })
      resolve(new Response(stream, { status, headers: { ...headers, ...cors } }))
    },
    write(text) {
      if (isOver || text === '') return true
      controller?.enqueue(Buffer.from(text, 'latin1'))
      return (controller?.desiredSize ?? 1) > 0
    },
    end() {
      if (isOver) return
      end()
      controller?.close()
    },
    answer(status, headers, text, tail) {
      if (isHeadSent || isOver) return
      isHeadSent = true
      end()
      const body = text === '' && tail === undefined ? null : Buffer.concat([Buffer.from(text, 'latin1'), ...(tail === undefined ? [] : [tail])])
      resolve(new Response(body, { status, headers: { ...headers, ...cors } }))
    },
    destroy() {
      if (isOver) return
      end()
      controller?.error(new Error('the answer cannot be finished'))
    },
    onDrain: (run) => void (onDrain = run),
    onGone(run) {
      if (isOver) queueMicrotask(run)
      else onGone = run
    },
  }
}
