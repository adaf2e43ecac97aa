// A gateway inside a Hono application (any framework that speaks Fetch): node hono-app.ts <command of an MCP server>
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { createGateway } from 'portolan'

const [command = 'npx', ...args] = process.argv.slice(2)
const token = process.env['GATEWAY_TOKEN'] ?? 'a-token-that-is-long-enough-to-be-one'
const gateway = await createGateway({ mcpServers: { mine: { command, args } } }, { token })

const app = new Hono()
app.get('/', (context) => context.text('The rest is the application.\n'))
app.all('/mcp', (context) => gateway.fetch(context.req.raw))
app.all('/:server/mcp', (context) => gateway.fetch(context.req.raw))

const server = serve({ fetch: app.fetch, port: Number(process.env['PORT'] ?? 7400), hostname: '127.0.0.1' }, ({ port }) => {
  console.log(`http://127.0.0.1:${port}/mcp`)
})
process.once('SIGTERM', () => {
  server.close()
  void gateway.close(5_000)
})
