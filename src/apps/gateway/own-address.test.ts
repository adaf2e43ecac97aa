import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { localAddressTowards, peerAddressOf } from './own-address.ts'

describe('where the other replicas are told that this one is', () => {
  it.each([
    ['127.0.0.1', '10.0.0.1', 'tls://127.0.0.1:7401'],
    ['0.0.0.0', '10.0.0.1', 'tls://10.0.0.1:7401'],
    ['::', '10.0.0.1', 'tls://10.0.0.1:7401'],
    ['::', 'fd00::1', 'tls://[fd00::1]:7401'],
    ['fd00::2', '10.0.0.1', 'tls://[fd00::2]:7401'],
    ['0.0.0.0', '::1', 'tls://127.0.0.1:7401'],
    ['node-1.internal', '10.0.0.1', 'tls://node-1.internal:7401'],
  ])('listening on %s, with the database reached from %s: %s', (host, here, address) => {
    expect(peerAddressOf({ kind: 'tcp', host, port: 7_401 }, here)).toBe(address)
  })

  it('is the path of a unix socket', () => {
    expect(peerAddressOf({ kind: 'unix', path: '/run/p.sock' }, '10.0.0.1')).toBe('unix:/run/p.sock')
  })

  it('is not said to be an IPv6 address where IPv4 alone is listened on', () => {
    expect(() => peerAddressOf({ kind: 'tcp', host: '0.0.0.0', port: 7_401 }, 'fd00::1')).toThrow(/--peer-listen 0\.0\.0\.0 is IPv4 alone.*fd00::1\. Listen on \[::\]/)
  })

  it('is loopback where the database is on this machine, or does not answer', async () => {
    const server = createServer((socket) => socket.destroy())
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    const urls = [undefined, `postgres://u@127.0.0.1:${port}/p`, 'postgres://u@127.0.0.1:1/p', 'postgres:///p?host=/run/postgresql']
    expect(await Promise.all(urls.map((url) => localAddressTowards(url)))).toEqual(urls.map(() => '127.0.0.1'))
    server.close()
  })
})
