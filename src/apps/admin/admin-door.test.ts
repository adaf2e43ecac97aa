/** What strangers, clients and hostile pages try at the admin API. */
import { chmodSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { describe, expect, it } from 'vitest'
import { rawClient } from '../../../test/http-rig.ts'
import { startAdminRig, writeOperators } from '../../../test/admin-rig.ts'
import type { AdminRig } from '../../../test/admin-rig.ts'
import { newTask } from '../../../test/contracts/task-store.contract.ts'
import { makeOperator } from './operators.ts'

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** The path as it stands, which `fetch` would tidy up. */
function raw({ port, headers }: AdminRig, path: string, more: { readonly method?: string; readonly headers?: Readonly<Record<string, string>>; readonly body?: string } = {}): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, path, method: more.method ?? 'GET', headers: { ...headers, ...more.headers } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }))
    })
    asked.on('error', reject)
    asked.end(more.body)
  })
}

describe('who is let in to the admin API', () => {
  it('is an operator with the token that was made for him, whatever the scheme\'s case', async () => {
    const { ask, alice } = await startAdminRig()
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) expect((await ask('/api/v1/status', { headers: { authorization: `${scheme} ${alice.token}` } })).status).toBe(200)
  })

  it('is nobody with no token, another one, half of one, or two', async () => {
    const { ask, alice, reached, statusCount } = await startAdminRig()
    const none = await ask('/api/v1/status', { headers: {} })
    expect([none.status, none.headers.get('www-authenticate')]).toEqual([401, 'Bearer realm="portolan operators"'])
    const others = ['x', '', alice.token.slice(0, -1), `${alice.token}x`, `${alice.token} ${alice.token}`, alice.token.toUpperCase(), makeOperator('alice').token]
    for (const token of others) {
      const answer = await ask('/api/v1/status', bearer(token))
      expect([answer.status, answer.headers.get('www-authenticate')], token).toEqual([401, 'Bearer realm="portolan operators", error="invalid_token", error_description="The operator token is not valid"'])
    }
    for (const authorization of [alice.token, `Basic ${alice.token}`, `Bearer ${alice.token}, Bearer ${alice.token}`]) expect((await ask('/api/v1/status', { headers: { authorization } })).status).not.toBe(200)
    expect([reached, statusCount()]).toEqual([[], 0])
  })

  it('is nobody who writes the token elsewhere: URL, cookie, or another header', async () => {
    const { ask, alice } = await startAdminRig()
    expect((await ask(`/api/v1/status?access_token=${alice.token}`, { headers: {} })).status).toBe(401)
    for (const name of ['cookie', 'x-api-key', 'proxy-authorization', 'x-authorization']) expect((await ask('/api/v1/status', { headers: { [name]: `Bearer ${alice.token}` } })).status).toBe(401)
  })

  it('is nobody while there are no operators, or their file cannot be believed; others are not told which', async () => {
    const { ask, operatorsPath, alice, logged } = await startAdminRig()
    const status = async (): Promise<number> => (await ask('/api/v1/status')).status
    chmodSync(operatorsPath, 0o666)
    expect(await status()).toBe(401)
    expect(await status()).toBe(401)
    expect(logged.filter((line) => line.includes('can be written by others'))).toHaveLength(1)
    chmodSync(operatorsPath, 0o600)
    expect(await status()).toBe(200)
    writeFileSync(operatorsPath, `alice sha256:${alice.operator.digest.toString('base64url')}\nmallory md5:x\n`)
    expect(await status()).toBe(401)
    rmSync(operatorsPath)
    expect(await status()).toBe(404)
    writeOperators(operatorsPath, [])
    expect(await status()).toBe(404)
  })

  it('changes with the file at once: who is removed is out, who is added is in', async () => {
    const { ask, operatorsPath, alice } = await startAdminRig()
    const bob = makeOperator('bob')
    writeOperators(operatorsPath, [bob.operator])
    expect((await ask('/api/v1/status')).status).toBe(401)
    expect((await ask('/api/v1/status', bearer(bob.token))).status).toBe(200)
    writeOperators(operatorsPath, [bob.operator, alice.operator])
    expect((await ask('/api/v1/status')).status).toBe(200)
  })

  it('learns after ten wrong tokens to wait, and shuts no right one out meanwhile', async () => {
    const { ask, ledger, alice } = await startAdminRig()
    const statuses = await Promise.all(Array.from({ length: 14 }, async () => (await ask('/api/v1/status', bearer('wrong'))).status))
    expect(statuses.toSorted()).toEqual([...Array(10).fill(401), ...Array(4).fill(429)])
    const late = await ask('/api/v1/status', bearer('wrong'))
    expect([late.status, Number(late.headers.get('retry-after'))]).toEqual([429, 5])
    expect((await ask('/api/v1/status', bearer(alice.token))).status).toBe(200)
    expect(ledger.records()).toHaveLength(10)
    expect(ledger.records()[0]).toMatchObject({ principal: '', endpoint: 'api', method: '', outcome: 'challenge', status: 401, errorCode: 'unauthorized' })
  })

  it('leaves the token in no log and no ledger', async () => {
    const { ask, alice, ledger, logged, source } = await startAdminRig()
    await ask(`/api/v1/tasks/${alice.token}/cancel`, { verb: 'POST', headers: {} })
    await ask('/api/v1/status', bearer('wrong'))
    await ask('/api/v1/reload', { verb: 'POST' })
    const told = JSON.stringify([ledger.records(), logged, source.metrics()])
    expect(told).toContain('operator:alice')
    expect(told).not.toContain(alice.token)
    expect(told).not.toContain('wrong')
  })
})

describe('hostile pages', () => {
  it('of other origins are refused, and told nothing by CORS, even where the listener lets them call servers', async () => {
    const { ask, headers, port, store } = await startAdminRig()
    await store.create(newTask('t'))
    for (const origin of ['http://localhost:3000', 'https://evil.example', 'null', 'http://127.0.0.1:1']) {
      const answer = await ask('/api/v1/tasks/t/cancel', { verb: 'POST', headers: { ...headers, origin } })
      expect([answer.status, answer.headers.get('access-control-allow-origin')], origin).toEqual([403, null])
      const preflight = await ask('/api/v1/status', { verb: 'OPTIONS', headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } })
      expect([preflight.ok, preflight.headers.get('access-control-allow-origin'), preflight.headers.get('access-control-allow-headers')], origin).toEqual([false, null, null])
    }
    expect(await store.find('t')).toMatchObject({ task: { phase: 'queued' } })
    expect((await ask('/api/v1/status', { headers: { ...headers, origin: `http://127.0.0.1:${port}` } })).status).toBe(200)
  })

  it('whose name leads here are refused by Host', async () => {
    const rig = await startAdminRig()
    expect((await raw(rig, '/api/v1/status', { headers: { host: 'evil.example' } })).text).toBe('mcp')
    expect(rig.statusCount()).toBe(0)
  })

  it('of the public address are let in with a token', async () => {
    const { ask, headers } = await startAdminRig({ listener: { publicUrl: 'https://portolan.example', allowedOrigins: ['https://portolan.example'], allowedHosts: ['127.0.0.1'] } })
    expect((await ask('/api/v1/status', { headers: { ...headers, origin: 'https://portolan.example' } })).status).toBe(200)
  })
})

describe('requests that try to be others', () => {
  it('by paths reach neither the MCP side nor another route', async () => {
    const rig = await startAdminRig()
    await rig.store.create(newTask('t'))
    const paths = [
      '/api/v1/../../mcp', '/api/v1/%2e%2e/%2e%2e/mcp', '/api/v1/./status', '/api//v1/status', '/api/v1//status', '/api/v1\\status', '/api/v1/status/', '/api/v1/status%2f', '/api/v1/tasks%2ft', '/api/v1/tasks/t%2fcancel',
      '/api/v1/tasks/..%2fstatus', '/api/v1/status;x', '/api/v1/%73tatus', '/API/v1/status', '/api/v1/servers/%00', '/api/v1/servers/__proto__', '/api/v1/tasks/%ff',
    ]
    for (const path of paths) expect((await raw(rig, path)).status, path).toBeGreaterThanOrEqual(400)
    expect(rig.reached).toEqual(['/API/v1/status'])
    // It was asked for the two names of servers.
    expect(rig.statusCount()).toBe(2)
    expect(await rig.store.find('t')).toMatchObject({ task: { phase: 'queued' } })
  })

  it('by overriding the verb stay what they are', async () => {
    const rig = await startAdminRig()
    await rig.store.create(newTask('t'))
    for (const name of ['x-http-method-override', 'x-http-method', 'x-method-override']) expect((await raw(rig, '/api/v1/tasks/t', { headers: { [name]: 'DELETE' } })).status).toBe(200)
    expect((await raw(rig, '/api/v1/tasks/t/cancel?_method=POST')).status).toBe(405)
    for (const path of ['/api/v1/tasks/t/cancel', '/api/v1/status']) expect((await raw(rig, path, { method: 'HEAD' })).status).toBe(405)
    expect((await raw(rig, '/api/v1/status', { method: 'TRACE' })).status).toBe(405)
    expect(await rig.store.find('t')).toMatchObject({ task: { phase: 'queued' } })
  })

  it('by a body are refused unread when it is large, and not heard when it is small', async () => {
    const rig = await startAdminRig()
    expect((await raw(rig, '/api/v1/reload', { method: 'POST', body: '{"phase":"dead"}' })).status).toBe(200)
    expect((await raw(rig, '/api/v1/reload', { method: 'POST', body: 'x'.repeat(5_000) })).status).toBe(413)
    const client = rawClient(rig.port)
    client.write(`POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${rig.alice.token}\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n`)
    expect(await client.until(/HTTP\/1\.1 \d+/)).toMatch(/^HTTP\/1\.1 413/)
  })

  it('by giving a parameter twice, or one that there is not, are refused', async () => {
    const { ask } = await startAdminRig()
    for (const query of ['phase=dead&phase=queued', 'phase=lost', 'count=0', 'count=1001', 'count=x', 'after=1', 'after=1/%27%3B--', 'full=true', 'ownerKey=x', '__proto__=1']) {
      const answer = await ask(`/api/v1/tasks?${query}`)
      expect([answer.status, await answer.json()], query).toMatchObject([400, { code: 'invalid_params' }])
    }
  })
})

describe('a fault of our own', () => {
  it('goes to the log, and its text nowhere else', async () => {
    const { ask, logged } = await startAdminRig({ source: { replicas: () => Promise.reject(new Error('password=hunter2')) } })
    const answer = await ask('/api/v1/replicas')
    expect([answer.status, (await answer.text()).includes('hunter2')]).toEqual([500, false])
    expect(logged.some((line) => line.includes('hunter2'))).toBe(true)
  })
})
