/** Requests about one task to the modern server that made it: one message out, one back. */

import { asciiJson } from '../../protocol/json.ts'
import type { WireText } from '../../protocol/json.ts'
import type { Message } from '../../protocol/message.ts'
import { META } from '../../protocol/meta.ts'
import { mirrorHeaders } from '../../protocol/modern/request-headers.ts'
import type { GatewayContext } from '../gateway/context.ts'
import { failureError } from '../upstream/request.ts'
import { requestOnce } from '../upstream/request-once.ts'
import type { Upstream } from '../upstream/upstream.ts'

export interface ServerTask {
  readonly upstream: Upstream
  readonly ownerKey: string
  /** The server's own id of it. */
  readonly taskId: string
  /** What is declared of the client, wire text. */
  readonly capabilities: WireText
}

const ASK_MS = 30_000

/** Resolves with the response, result or error; rejects with PortolanError where none came. */
export async function askTask({ deps, selfText }: GatewayContext, task: ServerTask, method: string, more: Readonly<Record<string, WireText>> = {}): Promise<Message> {
  const { upstream, ownerKey, taskId, capabilities } = task
  const channel = await upstream.modern()
  const idText = channel.nextId()
  const meta = `{"${META.protocolVersion}":"${channel.revision}","${META.clientInfo}":${selfText},"${META.clientCapabilities}":${capabilities}}`
  const members = Object.entries({ taskId: asciiJson(taskId), ...more, _meta: meta }).map(([key, value]) => `"${key}":${value}`)
  const headers = channel.transport === 'stdio' ? [] : [...mirrorHeaders(method, taskId), ...(await deps.credentials.headersFor({ upstreamId: upstream.id, ownerKey }))]
  const text = `{"jsonrpc":"2.0","id":${idText},"method":"${method}","params":{${members.join(',')}}}`
  const answer = await requestOnce(channel, deps.clock, { text, idText, method, headers, timeoutMs: ASK_MS })
  // Nothing is lost by asking again: the client may.
  if (!answer.ok) throw failureError(answer.failure, true)
  return answer.message
}
