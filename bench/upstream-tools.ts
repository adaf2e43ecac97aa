// What both upstream servers of the benchmark answer, in both eras: `echo` and a hundred tools with schemas of usual size.
import { echoText, REVISION, TOOL_COUNT } from './cases.ts'
import { isRecord } from './reply-check.ts'

/** A JSON-RPC request as far as the upstream servers look into it. */
export type UpstreamRequest = { readonly id: string | number | null; readonly method: string; readonly params: Record<string, unknown>; readonly era: 'modern' | 'legacy' }

/** Reads one message; null when it is not an object with a method. The era is what `_meta` says. */
export function readRequest(message: unknown): UpstreamRequest | null {
  if (!isRecord(message) || typeof message['method'] !== 'string') return null
  const params = isRecord(message['params']) ? message['params'] : {}
  const meta = isRecord(params['_meta']) ? params['_meta'] : {}
  const id = message['id']
  return {
    id: typeof id === 'string' || typeof id === 'number' ? id : null,
    method: message['method'],
    params,
    era: typeof meta['io.modelcontextprotocol/protocolVersion'] === 'string' ? 'modern' : 'legacy',
  }
}

const SERVER_INFO = { name: 'portolan-bench-upstream', version: '1.0.0' }
const CAPABILITIES = { tools: { listChanged: true } }
const MODERN_META = { 'io.modelcontextprotocol/serverInfo': SERVER_INFO }

/** The member of a response: `result` or `error`. */
export type Outcome = { readonly result: Record<string, unknown> } | { readonly error: { code: number; message: string } }

/** Answers everything but `subscriptions/listen`, which is a matter of the transport. */
export function answer(request: UpstreamRequest): Outcome {
  const modern = request.era === 'modern'
  switch (request.method) {
    case 'tools/call':
      return callTool(request.params, modern)
    case 'tools/list':
      return { result: { ...(modern ? { resultType: 'complete', ttlMs: 3_600_000, cacheScope: 'public', _meta: MODERN_META } : {}), tools: TOOLS } }
    case 'server/discover':
      if (!modern) break
      return {
        result: { resultType: 'complete', supportedVersions: [REVISION.modern], capabilities: CAPABILITIES, ttlMs: 3_600_000, cacheScope: 'public', _meta: MODERN_META },
      }
    case 'initialize':
      if (modern) break
      return { result: { protocolVersion: REVISION.legacy, capabilities: CAPABILITIES, serverInfo: SERVER_INFO } }
    case 'ping':
      if (modern) break
      return { result: {} }
    default:
  }
  return { error: { code: -32601, message: 'Method not found' } }
}

function callTool(params: Record<string, unknown>, modern: boolean): Outcome {
  const args = isRecord(params['arguments']) ? params['arguments'] : {}
  const { tag, bytes } = args
  if (params['name'] !== 'echo' || typeof tag !== 'string' || typeof bytes !== 'number') return { error: { code: -32602, message: 'Unknown tool or arguments' } }
  const content = [{ type: 'text', text: echoText(tag, bytes) }]
  return { result: { ...(modern ? { resultType: 'complete', _meta: MODERN_META } : {}), content, isError: false } }
}

const ECHO = {
  name: 'echo',
  title: 'Echo',
  description: 'Answers a text of the requested size that starts with the tag.',
  inputSchema: {
    type: 'object',
    properties: { tag: { type: 'string' }, bytes: { type: 'integer', minimum: 12 }, note: { type: 'string' } },
    required: ['tag', 'bytes'],
  },
}

function listedTool(index: number): Record<string, unknown> {
  return {
    name: `tool_${String(index).padStart(3, '0')}`,
    title: `Search collection ${index}`,
    description: 'Searches one collection of records by free text and filters, and returns the matching records with their scores, newest first.',
    inputSchema: {
      type: 'object',
      properties: {
        query: { type: 'string', description: 'Free text; quoted phrases must match exactly.', minLength: 1, maxLength: 500 },
        limit: { type: 'integer', description: 'How many records to return.', minimum: 1, maximum: 100, default: 20 },
        since: { type: 'string', format: 'date-time', description: 'Only records changed at or after this instant.' },
        status: { type: 'string', enum: ['open', 'closed', 'archived'], description: 'Only records in this state.' },
        labels: { type: 'array', items: { type: 'string' }, description: 'Records must have all of these labels.' },
      },
      required: ['query'],
      additionalProperties: false,
    },
    annotations: { readOnlyHint: true, openWorldHint: false },
  }
}

const TOOLS: readonly Record<string, unknown>[] = [...Array.from({ length: TOOL_COUNT - 1 }, (_, index) => listedTool(index + 1)), ECHO]
