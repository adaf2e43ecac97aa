import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { beforeAll, describe, expect, it } from 'vitest'
import { echo, rawClient, startListener } from '../../../test/http-rig.ts'

const folder = mkdtempSync(join(tmpdir(), 'portolan-tls-'))
const path = (name: string): string => join(folder, name)

function makeCertificate(name: string): void {
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path(`${name}.key`)]
  execFileSync('openssl', ['req', '-x509', ...key, '-out', path(`${name}.crt`), '-days', '2', ...subject], { stdio: 'ignore' })
}

function use(name: string): void {
  copyFileSync(path(`${name}.crt`), path('cert.pem'))
  copyFileSync(path(`${name}.key`), path('key.pem'))
}

/** The common name that the server shows, or the code of the handshake's failure. */
function shown(port: number, options: ConnectionOptions = {}): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
  })
}

const tls = { certFile: path('cert.pem'), keyFile: path('key.pem') }

describe('HTTP listener with TLS', () => {
  beforeAll(() => {
    makeCertificate('first')
    makeCertificate('second')
  })

  it('serves requests over TLS, and on an address that others reach', async () => {
    use('first')
    const { port } = await startListener(echo, { tls, listen: { host: '0.0.0.0', port: 0 }, publicUrl: 'https://localhost' })
    const text = await new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, method: 'POST', rejectUnauthorized: false, agent: false, headers: { host: 'localhost' } }
      const outgoing = request(options, (incoming) => incoming.setEncoding('utf8').on('data', resolve))
      outgoing.on('error', reject).end('over TLS')
    })
    expect(text).toBe('over TLS')
  })

  it('speaks nothing older than TLS 1.2', async () => {
    use('first')
    const { port } = await startListener(echo, { tls })
    expect(await shown(port, { maxVersion: 'TLSv1.2' })).toBe('first')
    expect(await shown(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' })).not.toBe('first')
  })

  it('takes up a new certificate when told, and by itself', async () => {
    use('first')
    const { listener, port } = await startListener(echo, { tls, tlsPollMs: 30 })
    expect(listener.reloadTls()).toBe(false)
    use('second')
    expect(listener.reloadTls()).toBe(true)
    expect(await shown(port)).toBe('second')
    use('first')
    await expect.poll(() => shown(port)).toBe('first')
  })

  it('keeps a good certificate where the new files are unusable', async () => {
    use('first')
    const { listener, port, logged } = await startListener(echo, { tls })
    copyFileSync(path('second.key'), path('key.pem'))
    expect(listener.reloadTls()).toBe(false)
    writeFileSync(path('cert.pem'), 'rubbish')
    expect(listener.reloadTls()).toBe(false)
    expect(await shown(port)).toBe('first')
    expect(logged).toHaveLength(2)
    use('first')
    expect(listener.reloadTls()).toBe(false)
  })

  it('does not wait for a handshake that never comes, and closes on plain HTTP', async () => {
    use('first')
    const { port } = await startListener(echo, { tls, limits: { headerTimeoutMs: 100 } })
    await rawClient(port).closed()
    const plain = rawClient(port)
    plain.write('GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect(await plain.closed()).not.toContain('200 OK')
  })
})
