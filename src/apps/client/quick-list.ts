/**
 * One list from the running Portolan in one request each page, without an SDK and its start-up time: for completion in shells.
 * Portolan speaks the modern era for every server.
 */

import { request } from 'node:http'
import { isJsonObject } from '../../protocol/json-value.ts'
import type { JsonObject } from '../../protocol/json-value.ts'
import { META } from '../../protocol/meta.ts'
import { LATEST_MODERN } from '../../protocol/revision.ts'
import type { RunningPortolan } from './portolan.ts'
import { createSseReader } from './sse-reader.ts'

const METHODS = { tools: 'tools/list', prompts: 'prompts/list', resources: 'resources/list' } as const
const ANSWER_MS = 1_500
const MAX_PAGES = 5

/** The items of one server's list; what does not come in time, or at all, is left out. */
export async function quickList({ baseUrl, token }: RunningPortolan, server: string, kind: keyof typeof METHODS): Promise<readonly JsonObject[]> {
  const items: JsonObject[] = []
  let cursor: string | undefined
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const method = METHODS[kind]
    const _meta = { [META.protocolVersion]: LATEST_MODERN, [META.clientInfo]: { name: 'portolan-completion', version: '1' }, [META.clientCapabilities]: {} }
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params: { _meta, ...(cursor !== undefined && { cursor }) } })
    const answer = await post(`${baseUrl}/${encodeURIComponent(server)}/mcp`, { token, method, body }).catch(() => undefined)
    const result = isJsonObject(answer) ? answer['result'] : undefined
    if (!isJsonObject(result)) break
    const listed = result[kind]
    if (Array.isArray(listed)) items.push(...listed.filter(isJsonObject))
    if (typeof result['nextCursor'] !== 'string') break
    cursor = result['nextCursor']
  }
  return items
}

interface Post {
  readonly token: string
  readonly method: string
  readonly body: string
}

function post(url: string, { token, method, body }: Post): Promise<unknown> {
  const headers = {
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
    'mcp-protocol-version': LATEST_MODERN,
    'mcp-method': method,
    ...(token !== '' && { authorization: `Bearer ${token}` }),
  }
  return new Promise((resolve, reject) => {
    // TLS would need the certificate's authority too: completion stays silent there.
    if (!url.startsWith('http:')) return reject(new Error('only http'))
    const asked = request(url, { method: 'POST', headers, timeout: ANSWER_MS }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('error', reject).on('end', () => {
        try {
          resolve(lastMessage(text, response.headers['content-type'] ?? ''))
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)))
        }
      })
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in time'))).on('error', reject)
    asked.end(body)
  })
}

function lastMessage(text: string, type: string): unknown {
  if (!type.startsWith('text/event-stream')) return JSON.parse(text)
  let last = 'null'
  createSseReader((data) => (last = data)).push(text)
  return JSON.parse(last)
}
