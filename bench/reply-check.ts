// Decides whether a reply is the right one. Every reply is checked by bytes (status, id, tag, payload); one in
// PARSE_EVERY, and any that the bytes leave in doubt, is parsed and checked by structure.
import { type BenchCase, echoText, filler, ID_DIGIT_COUNT, TOOL_COUNT } from './cases.ts'
import { messagesOf, type Reply } from './reply-reader.ts'

const PARSE_EVERY = 64
const QUOTE = 34

/** Says what is wrong with the reply to request `id`, or null. */
export type ReplyCheck = (reply: Reply, id: number) => string | null

/** The check of one case. It remembers the length of a verified list, so use one check per target. */
export function createReplyCheck(benchCase: BenchCase): ReplyCheck {
  const looksRight = benchCase.method === 'tools/call' ? createCallLook(benchCase) : createListLook()
  let checkedCount = 0
  return (reply, id) => {
    if (reply.status !== 200) return `status ${reply.status}: ${reply.body.toString('utf8', 0, 160)}`
    checkedCount += 1
    const quick = reply.body.includes(`"id":${id}`) && looksRight.quick(reply.body, id)
    if (quick && checkedCount % PARSE_EVERY !== 0) return null
    return parsedProblem(reply, id, looksRight.problem) ?? looksRight.remember(reply.body)
  }
}

type Look = { quick(body: Buffer, id: number): boolean; problem(result: Record<string, unknown>, id: number): string | null; remember(body: Buffer): null }

function createCallLook(benchCase: BenchCase): Look {
  const rest = Buffer.from(filler(benchCase.replyBytes - ID_DIGIT_COUNT - 1))
  return {
    quick(body, id) {
      const at = body.indexOf(`"${id}:`)
      if (at < 0 || body.includes('"isError":true')) return false
      const start = at + ID_DIGIT_COUNT + 2
      const end = start + rest.length
      return end < body.length && body[end] === QUOTE && body.compare(rest, 0, rest.length, start, end) === 0
    },
    problem(result, id) {
      if (result['isError'] === true) return 'isError is true'
      const content = result['content']
      const first: unknown = Array.isArray(content) ? content[0] : null
      if (!isRecord(first) || first['type'] !== 'text') return 'no text content'
      return first['text'] === echoText(String(id), benchCase.replyBytes) ? null : 'wrong text content'
    },
    remember: () => null,
  }
}

function createListLook(): Look {
  let verifiedBytes = -1
  return {
    quick: (body) => body.length === verifiedBytes && body.includes('"echo"') && body.includes(`"tool_0${TOOL_COUNT - 1}"`),
    problem(result) {
      const tools = result['tools']
      if (!Array.isArray(tools) || tools.length !== TOOL_COUNT) return `${Array.isArray(tools) ? tools.length : 'no'} tools instead of ${TOOL_COUNT}`
      const bare = tools.find((tool: unknown) => !isRecord(tool) || !isRecord(tool['inputSchema']) || typeof tool['description'] !== 'string')
      return bare === undefined ? null : 'a tool without schema or description'
    },
    remember(body) {
      verifiedBytes = body.length
      return null
    },
  }
}

function parsedProblem(reply: Reply, id: number, problem: Look['problem']): string | null {
  try {
    const answer = messagesOf(reply).find((message) => isRecord(message) && ('result' in message || 'error' in message))
    if (!isRecord(answer)) return 'no response message'
    if (answer['id'] !== id) return `id ${JSON.stringify(answer['id'])} instead of ${id}`
    if (!isRecord(answer['result'])) return `error ${JSON.stringify(answer['error'])?.slice(0, 200)}`
    return problem(answer['result'], id)
  } catch (error) {
    return `unreadable reply: ${error instanceof Error ? error.message : String(error)}`
  }
}

/** A JSON object, not an array or null. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
