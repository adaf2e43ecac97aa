/** What the tests of tasks between eras share: servers over both transports, and what is declared, asked and answered. */
import { fileURLToPath } from 'node:url'
import type { StdioServer } from '../src/core/gateway/snapshot.ts'
import { http } from './fixtures/upstream/support.ts'
import type { Answer } from './http-rig.ts'
import { messageOf } from './mcp-client.ts'

export type Json = Record<string, unknown>
export const TASKS = 'io.modelcontextprotocol/tasks'
export const RELATED = 'io.modelcontextprotocol/related-task'
export const INPUT = { elicitation: { form: {} }, roots: {} }
export const DECLARED = { extensions: { [TASKS]: {} } }
export const FORM = { mode: 'form', message: 'Who?', requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } }
export const accept = { action: 'accept', content: { name: 'Ann' } }
export const resultOf = (answer: Answer): Json => (messageOf(answer)['result'] ?? {}) as Json
export const done = { content: [{ type: 'text', text: 'done' }] }

const PROXY = fileURLToPath(new URL('fixtures/upstream/stdio-proxy.mjs', import.meta.url))
export const VIA = {
  HTTP: http,
  stdio: (url: string): StdioServer => ({ transport: 'stdio', command: process.execPath, args: [PROXY, url], env: {}, cwd: undefined }),
} as const

export const TRANSPORTS = Object.keys(VIA) as (keyof typeof VIA)[]
