import { describe, expect, it } from 'vitest'
import { createOpenAuthenticator, createTokenAuthenticator } from './token.ts'

const TOKEN = 'a'.repeat(43)
const ask = (authorization: string | undefined, trusted = false) => createTokenAuthenticator(TOKEN).authenticate({ authorization, trusted })

describe('the token authenticator', () => {
  it.each([`Bearer ${TOKEN}`, `bearer ${TOKEN}`, `BEARER  ${TOKEN} `])('lets %j in', (authorization) => {
    expect(ask(authorization)).toMatchObject({ ok: true, principal: { label: 'token' } })
  })

  it.each(['', 'Bearer', 'Bearer ', TOKEN, `Basic ${TOKEN}`, `Bearer ${'b'.repeat(43)}`, `Bearer ${TOKEN}a`, `Bearer ${TOKEN.slice(1)}`, `Bearer ${TOKEN}, Bearer ${TOKEN}`])(
    'challenges %j with an error',
    (authorization) => {
      expect(ask(authorization)).toMatchObject({ ok: false, fault: { reason: 'invalid', challenge: expect.stringMatching(/^Bearer realm="portolan", error="invalid_token"/) } })
    },
  )

  it('challenges a request that brings nothing without an error (RFC 6750 §3.1)', () => {
    expect(ask(undefined)).toEqual({ ok: false, fault: { reason: 'missing', challenge: 'Bearer realm="portolan"' } })
  })

  it('asks nothing of the process that launched it, and keeps the two apart', () => {
    const trusted = ask(undefined, true)
    const token = ask(`Bearer ${TOKEN}`)
    expect(trusted).toMatchObject({ ok: true, principal: { label: 'local' } })
    expect(JSON.stringify(trusted)).not.toBe(JSON.stringify(token))
  })

  it('never puts the token into a principal', () => {
    expect(JSON.stringify(ask(`Bearer ${TOKEN}`))).not.toContain(TOKEN)
  })
})

describe('the open authenticator', () => {
  it('lets everybody in as one principal, whatever they bring', () => {
    const open = createOpenAuthenticator()
    expect(open.authenticate({ authorization: undefined, trusted: false })).toBe(open.authenticate({ authorization: 'x', trusted: false }))
  })
})
