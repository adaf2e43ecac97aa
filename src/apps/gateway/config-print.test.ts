import { describe, expect, it } from 'vitest'
import { printable, printableResolved } from './config-print.ts'
import { readConfig } from './config.ts'

const SECRET = 's3cr3t'
const file = {
  mcpServers: {
    a: {
      command: 'x',
      args: ['--api-key', SECRET, `--token=${SECRET}`, '--password', '${PASS}', '--verbose', 'plain'],
      env: { KEY: SECRET, REF: 'env:REF', DEFAULTED: `\${KEY:-${SECRET}}`, FILE: 'file:/run/secret', SHORT: '$KEY' },
    },
    b: { url: `https://me:${SECRET}@a.example/mcp?key=${SECRET}`, headers: { Authorization: `Bearer ${SECRET}`, 'X-Ref': 'Bearer ${TOKEN}' } },
    c: { url: `\${HOST}/mcp?key=${SECRET}`, disabled: true },
    d: { command: 'x', args: ['remote', '--header', `Authorization: Bearer ${SECRET}`, `postgres://me:${SECRET}@db/x`, `https://a.example/?t=${SECRET}`] },
    e: { command: 'sh', args: ['-c', `TOKEN=${SECRET} exec node x.js --password=${SECRET}`] },
    f: { url: `https://me:${SECRET}@\${HOST}/mcp#${SECRET}`, http_headers: { A: SECRET } },
  },
  portolan: { version: 1, virtualServers: { v: { use: [{ server: 'a' }], tools: { a__t: { description: 'kept', arguments: { key: SECRET, deep: [{ x: SECRET }], ref: '${T}' } } } } } },
}
const read = readConfig(JSON.stringify(file))
if (!read.ok) throw new Error('bad test')

describe('a printed configuration', () => {
  it('never holds what may be a secret, in either form', () => {
    expect(JSON.stringify(printable(read.value))).not.toContain(SECRET)
    expect(JSON.stringify(printableResolved(read.value, 'digest'))).not.toContain(SECRET)
  })

  it('shows references and everything else', () => {
    expect(printable(read.value)).toMatchObject({
      mcpServers: {
        a: {
          args: ['--api-key', '<hidden>', '--token=<hidden>', '--password', '${PASS}', '--verbose', 'plain'],
          env: { KEY: '<hidden>', REF: 'env:REF', DEFAULTED: '<hidden>', FILE: 'file:/run/secret', SHORT: '$KEY' },
        },
        b: { url: 'https://<hidden>@a.example/mcp?<hidden>', headers: { Authorization: '<hidden>', 'X-Ref': 'Bearer ${TOKEN}' } },
        c: { url: '${HOST}/mcp?<hidden>', disabled: true },
      },
    })
  })

  it('shows of fixed arguments what refers to something only', () => {
    expect(printable(read.value)).toMatchObject({
      portolan: { virtualServers: { v: { tools: { a__t: { description: 'kept', arguments: { key: '<hidden>', deep: [{ x: '<hidden>' }], ref: '${T}' } } } } } },
    })
  })

  it('has every default where it is resolved', () => {
    expect(printableResolved(read.value, 'digest')).toMatchObject({
      portolan: { version: 1, auth: 'token', separator: '__', limits: { jsonDepth: 128 }, servers: { a: { id: 'a', share: 'all' }, c: { enabled: false } } },
      digest: 'digest',
    })
  })

  it('is a configuration of the same meaning where it is resolved, limits and breaker among it', () => {
    const servers = { a: { limits: { exchanges: 2, ratePerSec: 0.5 }, breaker: { failures: 0 } }, b: {} }
    const written = { mcpServers: { a: { command: 'x' }, b: { command: 'y' } }, portolan: { version: 1, limits: { ratePerPrincipal: { perSec: 3 } }, servers } }
    const first = readConfig(JSON.stringify(written))
    if (!first.ok) throw new Error('bad test')
    const shown = printableResolved(first.value, 'digest') as { mcpServers: object; portolan: { limits: object; servers: Record<string, object> } }
    expect(shown.portolan.limits).toMatchObject({ ratePerPrincipal: { perSec: 3, burst: 3 } })
    expect(shown.portolan.servers).toMatchObject({
      a: { limits: { exchanges: 2, queue: 100, queueMs: 10_000, ratePerSec: 0.5, burst: 1 }, breaker: { failures: 0, openMs: 5_000 } },
      b: { limits: { queue: 100, queueMs: 10_000 }, breaker: { failures: 10 } },
    })
    const again = readConfig(JSON.stringify({ mcpServers: shown.mcpServers, portolan: { version: 1, limits: shown.portolan.limits, servers: shown.portolan.servers } }))
    if (!again.ok) throw new Error(JSON.stringify(again.fault))
    expect(printableResolved(again.value, 'digest')).toMatchObject({ portolan: { limits: shown.portolan.limits, servers: shown.portolan.servers } })
  })
})
