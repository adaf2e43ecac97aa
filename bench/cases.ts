// What is asked of every contender: one row a case. Requests are built here once per connection, with fixed-width
// digits in the places of the JSON-RPC id and the tag, so that sending the next one overwrites ten bytes twice.

export type Era = 'modern' | 'legacy'

/** One measured situation. `ratePerSec` null means closed loop: each connection asks again as soon as it was answered. */
export type BenchCase = {
  readonly name: string
  readonly era: Era
  readonly upstream: 'http' | 'stdio'
  readonly method: 'tools/call' | 'tools/list'
  readonly argumentBytes: number
  readonly replyBytes: number
  readonly ratePerSec: number | null
}

export const SMALL_BYTES = 400
export const LARGE_BYTES = 50_000
export const TOOL_COUNT = 100
/** Ids have exactly this many digits from the first to the last. */
export const ID_DIGIT_COUNT = 10
export const FIRST_ID = 1_000_000_000
export const REVISION = { modern: '2026-07-28', legacy: '2025-11-25' } as const satisfies Record<Era, string>

type CallShape = Pick<BenchCase, 'name' | 'era' | 'upstream'> & { argumentBytes: number; replyBytes: number; ratePerSec?: number }
const call = (shape: CallShape): BenchCase => ({ method: 'tools/call', ratePerSec: null, ...shape })
const small = { argumentBytes: SMALL_BYTES, replyBytes: SMALL_BYTES } as const
const large = { argumentBytes: LARGE_BYTES, replyBytes: LARGE_BYTES } as const

/** What a run without `--only` measures, in this order. */
export const DEFAULT_CASES: readonly BenchCase[] = [
  call({ name: 'modern-http-400', era: 'modern', upstream: 'http', ...small }),
  call({ name: 'modern-http-50k', era: 'modern', upstream: 'http', ...large }),
  call({ name: 'legacy-http-400', era: 'legacy', upstream: 'http', ...small }),
  call({ name: 'legacy-http-50k', era: 'legacy', upstream: 'http', ...large }),
  { name: 'modern-http-list', era: 'modern', upstream: 'http', method: 'tools/list', argumentBytes: 0, replyBytes: 0, ratePerSec: null },
  call({ name: 'modern-stdio-400', era: 'modern', upstream: 'stdio', ...small }),
  call({ name: 'modern-stdio-50k', era: 'modern', upstream: 'stdio', ...large }),
  call({ name: 'legacy-stdio-400', era: 'legacy', upstream: 'stdio', ...small }),
  call({ name: 'legacy-stdio-50k', era: 'legacy', upstream: 'stdio', ...large }),
  call({ name: 'modern-http-latency', era: 'modern', upstream: 'http', ...small, ratePerSec: 1000 }),
]

/** Measured only when asked for with `--only`: one direction large, the other small. */
export const EXTRA_CASES: readonly BenchCase[] = [
  call({ name: 'modern-http-50k-reply', era: 'modern', upstream: 'http', argumentBytes: SMALL_BYTES, replyBytes: LARGE_BYTES }),
  call({ name: 'modern-http-50k-args', era: 'modern', upstream: 'http', argumentBytes: LARGE_BYTES, replyBytes: SMALL_BYTES }),
  { name: 'legacy-http-list', era: 'legacy', upstream: 'http', method: 'tools/list', argumentBytes: 0, replyBytes: 0, ratePerSec: null },
  call({ name: 'legacy-http-latency', era: 'legacy', upstream: 'http', ...small, ratePerSec: 1000 }),
]

const FILLERS = new Map<number, string>()

/** `byteCount` bytes of text that no JSON writer escapes, so it looks the same however often it was re-serialized. */
export function filler(byteCount: number): string {
  const known = FILLERS.get(byteCount)
  if (known !== undefined) return known
  const text = 'The quick brown fox jumps over the lazy dog. '.repeat(Math.ceil(byteCount / 45)).slice(0, byteCount)
  FILLERS.set(byteCount, text)
  return text
}

/** The text that `echo` answers: the caller's tag (proof that the reply belongs to the request), then filler. */
export function echoText(tag: string, replyBytes: number): string {
  return `${tag}:${filler(replyBytes - tag.length - 1)}`
}

/** The `params._meta` that a request of 2026-07-28 carries (basic/index, Per-request protocol fields). */
export function modernMeta(): Record<string, unknown> {
  return {
    'io.modelcontextprotocol/protocolVersion': REVISION.modern,
    'io.modelcontextprotocol/clientInfo': { name: 'portolan-bench', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  }
}

/** Where requests go. `headers` are added as they are (an Authorization, a session id). */
export type Target = { readonly host: string; readonly port: number; readonly path: string; readonly headers: Readonly<Record<string, string>> }

/** The header fields of a POST in an era, without Content-Length. */
export function postHeaders(target: Target, era: Era, method: string, name: string | null): Record<string, string> {
  return {
    Host: `${target.host}:${target.port}`,
    'Content-Type': 'application/json',
    Accept: 'application/json, text/event-stream',
    'MCP-Protocol-Version': REVISION[era],
    ...(era === 'modern' ? { 'Mcp-Method': method } : {}),
    ...(era === 'modern' && name !== null ? { 'Mcp-Name': name } : {}),
    ...target.headers,
  }
}

/** A whole HTTP request whose id and tag can be overwritten in place, as ASCII digits at these offsets. */
export type RequestTemplate = { readonly bytes: Buffer; readonly digitOffsets: readonly number[] }

/** Builds the request of `benchCase` for one connection. `sessionId` only in the legacy era. */
export function requestTemplate(benchCase: BenchCase, target: Target, sessionId: string | null): RequestTemplate {
  const isCall = benchCase.method === 'tools/call'
  const placeholder = String(FIRST_ID)
  const params = {
    ...(benchCase.era === 'modern' ? { _meta: modernMeta() } : {}),
    ...(isCall ? { name: 'echo', arguments: { tag: placeholder, bytes: benchCase.replyBytes, note: filler(benchCase.argumentBytes) } } : {}),
  }
  const body = JSON.stringify({ jsonrpc: '2.0', id: FIRST_ID, method: benchCase.method, params })
  const headers = {
    ...postHeaders(target, benchCase.era, benchCase.method, isCall ? 'echo' : null),
    ...(sessionId === null ? {} : { 'Mcp-Session-Id': sessionId }),
    'Content-Length': String(Buffer.byteLength(body)),
  }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const head = `POST ${target.path} HTTP/1.1\r\n${lines.join('')}\r\n`
  const offsets = [...body.matchAll(new RegExp(placeholder, 'g'))].map((match) => head.length + match.index)
  return { bytes: Buffer.from(head + body, 'latin1'), digitOffsets: offsets }
}

/** Puts `id` into the template. The caller must have had the answer to the previous request: the bytes are shared. */
export function stampId(template: RequestTemplate, id: number): void {
  for (const offset of template.digitOffsets) {
    let rest = id
    for (let index = offset + ID_DIGIT_COUNT - 1; index >= offset; index -= 1) {
      template.bytes[index] = 48 + (rest % 10)
      rest = Math.floor(rest / 10)
    }
  }
}
