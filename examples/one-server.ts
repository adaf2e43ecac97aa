// One MCP server for clients of every revision: node one-server.ts npx -y @modelcontextprotocol/server-everything
import { createGateway } from 'portolan'

const [command = 'npx', ...args] = process.argv.slice(2)
const gateway = await createGateway({ mcpServers: { mine: { command, args } } })
const [url] = await gateway.listen({ port: Number(process.env['PORT'] ?? 7400) })
console.log(`claude mcp add --transport http mine ${url}/mine/mcp --header "Authorization: Bearer ${gateway.token}"`)
process.once('SIGTERM', () => void gateway.close(5_000))
