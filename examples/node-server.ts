// A gateway inside a server of one's own: node node-server.ts <command of an MCP server>
import { createServer } from 'node:http'
import { createGateway } from 'portolan'

const [command = 'npx', ...args] = process.argv.slice(2)
const gateway = await createGateway(
  { mcpServers: { mine: { command, args } } },
  { token: process.env['GATEWAY_TOKEN'] ?? 'a-token-that-is-long-enough-to-be-one' },
)

const server = createServer((request, response) => {
  // Everything below /ai is the gateway's: /ai/mcp is all servers, /ai/mine/mcp is one.
  if (request.url?.startsWith('/ai/')) {
    request.url = request.url.slice('/ai'.length)
    return gateway.handle(request, response)
  }
  response.end('The rest is the application.\n')
})

gateway.warm()
server.listen(Number(process.env['PORT'] ?? 7400), '127.0.0.1', () => {
  const address = server.address()
  if (typeof address === 'object') console.log(`http://127.0.0.1:${address?.port}/ai/mcp`)
})

process.once('SIGTERM', () => {
  server.close()
  void gateway.close(5_000)
})
