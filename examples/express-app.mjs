// A gateway inside an Express application (any framework of (request, response) handlers): node express-app.mjs <command …>
import express from 'express'
import { createGateway } from 'portolan'

const [command = 'npx', ...args] = process.argv.slice(2)
const gateway = await createGateway({ mcpServers: { mine: { command, args } } }, { token: process.env.GATEWAY_TOKEN })

const app = express()
// Before any body parser: the gateway reads bodies itself, byte for byte.
app.use('/ai', gateway.handle)
app.use(express.json())
app.get('/', (request, response) => response.send('The rest is the application.\n'))

const server = app.listen(Number(process.env.PORT ?? 7400), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${server.address().port}/ai/mcp`)
})
process.once('SIGTERM', () => {
  server.close()
  void gateway.close(5_000)
})
