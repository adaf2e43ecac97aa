// Ports of one's own: API keys for several people, who see nothing of each other, and a ledger that writes lines of JSON.
// API_KEYS='{"key-of-alice-0123456789":"alice"}' node own-ports.ts <command of an MCP server>
import { createHash } from 'node:crypto'
import { createGateway } from 'portolan'
import type { Authenticator, Ledger } from 'portolan'

const digest = (key: string): string => createHash('sha256').update(key).digest('hex')
// By digest: looking one up takes the same time whatever was sent.
const people = new Map(Object.entries<string>(JSON.parse(process.env['API_KEYS'] ?? '{}')).map(([key, name]) => [digest(key), name]))

const apiKeys: Authenticator = {
  authenticate({ authorization }) {
    const name = people.get(digest(authorization?.replace(/^Bearer /i, '') ?? ''))
    if (name !== undefined) {
      // `ownerKey` owns tasks and credentials, `bindingKey` sessions: two people must never have the same.
      return { ok: true, principal: { ownerKey: `api-key:${name}`, bindingKey: `api-key:${name}`, label: name, scopes: new Set() } }
    }
    const reason = authorization === undefined ? 'missing' : 'invalid'
    return { ok: false, fault: { reason, challenge: 'Bearer realm="examples"' } }
  },
}

const lines: Ledger = {
  append: ({ principal, method, subject, outcome, durationMs }) => void console.error(JSON.stringify({ principal, method, subject, outcome, durationMs })),
  flush: async () => {},
}

const [command = 'npx', ...args] = process.argv.slice(2)
const gateway = await createGateway({ mcpServers: { mine: { command, args } } }, { authenticator: apiKeys, ledger: lines })
const [url] = await gateway.listen({ port: Number(process.env['PORT'] ?? 7400) })
console.log(`${url}/mcp`)
process.once('SIGTERM', () => void gateway.close(5_000))
