import { describe, expect, it } from 'vitest'
import { readSettings } from './settings.ts'
import type { Flags } from './settings.ts'
import type { PortolanOptions } from './config-schema.ts'

const read = (options: Omit<PortolanOptions, 'version'>, flags: Flags = {}) =>
  readSettings({ version: 1, ...options }, flags, { folder: '/etc/portolan', operationsSocket: '/data/operations.sock' })
const paths = (options: Omit<PortolanOptions, 'version'>, flags: Flags = {}) => {
  const settings = read(options, flags)
  return settings.ok ? [] : settings.fault.map(({ path }) => path)
}

describe('settings', () => {
  it('are loopback, a token and a private socket where nothing is said', () => {
    expect(read({})).toEqual({
      ok: true,
      value: { auth: 'token', listener: { listen: { host: '127.0.0.1', port: 7400 } }, operations: { socketPath: '/data/operations.sock', tcp: undefined } },
    })
  })

  it('take flags before the file, and paths from the file\'s folder', () => {
    const settings = read({ listen: { port: 1, tls: { cert: 'c.pem', key: '/k.pem' } }, auth: 'token', operations: { socket: 'o.sock', port: 9 } }, { port: 2, auth: 'none' })
    expect(settings).toMatchObject({
      value: {
        auth: 'none',
        listener: { listen: { host: '127.0.0.1', port: 2 }, tls: { certFile: '/etc/portolan/c.pem', keyFile: '/k.pem' } },
        operations: { socketPath: '/etc/portolan/o.sock', tcp: { host: '127.0.0.1', port: 9 } },
      },
    })
    expect(read({ listen: { socket: 's.sock' } })).toMatchObject({ value: { listener: { listen: { socketPath: '/etc/portolan/s.sock' } } } })
  })

  it('refuse to be open or in the clear to other machines', () => {
    expect(paths({ listen: { host: '192.0.2.1' } })).toEqual(['portolan.listen.host'])
    expect(paths({ listen: { host: '192.0.2.1', trustedProxies: ['10.0.0.1'] } })).toEqual([])
    expect(paths({ listen: { host: '192.0.2.1', tls: { cert: 'c', key: 'k' } }, auth: 'none' })).toEqual(['portolan.auth'])
    expect(paths({ auth: 'none' }, { host: '0.0.0.0' })).toEqual(['portolan.auth', 'portolan.listen.host', 'portolan.listen.publicUrl'])
    expect(paths({ auth: 'none' }, { host: 'localhost' })).toEqual([])
    expect(paths({ auth: 'none', listen: { socket: 's' } })).toEqual([])
  })

  it('name what the listener would refuse', () => {
    expect(paths({ listen: { trustedProxies: ['10.0.0.0/99'], allowedHosts: ['http://x'], allowedOrigins: ['x'] } }).sort()).toEqual([
      'portolan.listen.allowedHosts', 'portolan.listen.allowedOrigins', 'portolan.listen.trustedProxies',
    ])
  })

  it('keep status and metrics on this machine', () => {
    expect(paths({ operations: { host: '0.0.0.0', port: 1 } })).toEqual(['portolan.operations.host'])
    expect(paths({ operations: { host: '127.0.0.1' } })).toEqual(['portolan.operations.port'])
  })

  it('refuse a socket path that the system could not hold', () => {
    expect(paths({ operations: { socket: `/${'x'.repeat(103)}` } })).toEqual(['portolan.operations.socket'])
    expect(paths({ operations: { socket: `/${'x'.repeat(102)}` } })).toEqual([])
  })

  it('do not take both a socket and a port', () => {
    expect(paths({ listen: { socket: 's', port: 1 } })).toEqual(['portolan.listen.socket'])
  })
})
