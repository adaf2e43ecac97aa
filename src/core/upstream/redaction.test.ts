import { describe, expect, it } from 'vitest'
import { createRedaction } from './redaction.ts'

describe('what a server says of itself', () => {
  const args = ['serve', '--api-key', 'arg-secret', '--token=eq-secret', '--db', 'postgres://me:url-secret@db/x?sslkey=query-secret', '--auth', '--level=verbose']
  const redact = createRedaction({ args, env: { API_TOKEN: 'env-secret', LONG_KEY: 'env-secret-longer', HOME: '/home/me', SHORT_KEY: 'abc' } })

  it.each(['arg-secret', 'eq-secret', 'url-secret', 'query-secret', 'env-secret', 'env-secret-longer'])('loses the secret %s of its command', (secret) => {
    expect(redact(`bad key ${secret}, ${secret}.`)).toBe('bad key <hidden>, <hidden>.')
  })

  it('keeps the rest', () => {
    const text = 'serve --level=verbose in /home/me: abc of postgres'
    expect(redact(text)).toBe(text)
  })

  it('loses configured headers, the credential of Authorization alone too', () => {
    const http = createRedaction({ url: 'https://mcp.example/x?api_key=in-the-url', headers: { authorization: 'Bearer t0ken-value', 'x-tenant': 'tenant-1' } })
    expect(http('Bearer t0ken-value; t0ken-value; tenant-1; in-the-url; https://mcp.example')).toBe('<hidden>; <hidden>; <hidden>; <hidden>; https://mcp.example')
  })
})
