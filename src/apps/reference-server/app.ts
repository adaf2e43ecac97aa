// An app (SEP-1865): a page that hosts show beside the result of `test_app`, and that calls `test_app_refresh`, which is for apps only.
import type { McpServer } from '@modelcontextprotocol/server'
import { z } from 'zod'
import { text, tool } from './tool.ts'
import type { ToolFixture } from './tool.ts'

/** Not listed: hosts find it by the tools that name it (SEP-1865, Resource Discovery). */
const APP_URI = 'ui://reference/clock'
const APP_TYPE = 'text/html;profile=mcp-app'
const APP_META = { ui: { csp: { connectDomains: ['https://time.example.com'], resourceDomains: [] }, prefersBorder: true } }

const PAGE = `<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>Clock</title>
<p id="time">–</p>
<button id="refresh">Refresh</button>
<script>
  const waiting = new Map()
  let lastId = 0
  const post = (message) => parent.postMessage({ jsonrpc: '2.0', ...message }, '*')
  const ask = (method, params) => new Promise((resolve) => {
    lastId += 1
    waiting.set(lastId, resolve)
    post({ id: lastId, method, params })
  })
  const show = (result) => { document.getElementById('time').textContent = result?.content?.[0]?.text ?? '?' }
  addEventListener('message', ({ data }) => {
    if (data?.method === 'ui/notifications/tool-result') show(data.params)
    else if (data?.method === 'ui/resource-teardown') post({ id: data.id, result: {} })
    else if (data?.method === undefined) waiting.get(data?.id)?.(data.result)
  })
  document.getElementById('refresh').onclick = async () => show(await ask('tools/call', { name: 'test_app_refresh', arguments: {} }))
  ask('ui/initialize', { protocolVersion: '2026-01-26', appInfo: { name: 'clock', version: '1.0.0' }, appCapabilities: {} })
    .then(() => post({ method: 'ui/notifications/initialized', params: {} }))
</script>
`

const NOTHING = z.object({})
const now = (): ReturnType<typeof text> => text(new Date().toISOString())

/** One tool that opens the app, one that only the app may call. */
export const APP_TOOLS: readonly ToolFixture[] = [
  tool('test_app', { description: 'Tells the time; hosts of apps show a clock', inputSchema: NOTHING, _meta: { ui: { resourceUri: APP_URI } } }, now),
  tool('test_app_refresh', { description: 'Tells the time again, to the clock', inputSchema: NOTHING, _meta: { ui: { resourceUri: APP_URI, visibility: ['app'] } } }, now),
]

/** The page, with what it wants to reach. */
export function registerApp(server: McpServer): void {
  server.registerResource('clock', APP_URI, { mimeType: APP_TYPE }, () => ({ contents: [{ uri: APP_URI, mimeType: APP_TYPE, text: PAGE, _meta: APP_META }] }))
}
