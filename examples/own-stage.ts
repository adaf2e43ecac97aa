// A stage of one's own: nobody calls one tool more than twice a minute. node own-stage.ts <command of an MCP server>
import { createGateway } from 'portolan'
import type { CustomStage } from 'portolan'

const CALLS = 2
const WINDOW_MS = 60_000
const calls = new Map<string, number[]>()

const quota: CustomStage = {
  name: 'quota',
  // Behind the policy: what is denied does not count.
  after: 'decide',
  run({ method, principal, server, subject, receivedAtMs, onFinished }) {
    if (method !== 'tools/call' || principal === undefined) return undefined
    const key = JSON.stringify([principal.ownerKey, server?.id, subject])
    const recent = (calls.get(key) ?? []).filter((atMs) => receivedAtMs - atMs < WINDOW_MS)
    const oldest = recent[0]
    if (oldest !== undefined && recent.length >= CALLS) {
      const retryAfterSec = Math.ceil((oldest + WINDOW_MS - receivedAtMs) / 1_000)
      return { refuse: 'rate_limited', message: `Rate limit exceeded: ${subject} is for ${CALLS} calls a minute`, retryAfterSec }
    }
    calls.set(key, [...recent, receivedAtMs])
    onFinished(({ outcome, durationMs }) => console.error(`${subject}: ${outcome} after ${Math.round(durationMs)} ms`))
    return undefined
  },
}

const [command = 'npx', ...args] = process.argv.slice(2)
const gateway = await createGateway({ mcpServers: { mine: { command, args } } }, { stages: [quota], token: process.env['GATEWAY_TOKEN'] ?? 'a-token-that-is-long-enough-to-be-one' })
const [url] = await gateway.listen({ port: Number(process.env['PORT'] ?? 7400) })
console.log(`${url}/mcp`)
process.once('SIGTERM', () => void gateway.close(5_000))
