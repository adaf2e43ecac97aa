import { describe, expect, it } from 'vitest'
import { createKeyring } from '../../adapters/node/keyring.ts'
import type { Session } from '../session/session.ts'
import { keepStanding, standingOf } from './server-session.ts'

const keyring = createKeyring([{ secret: Buffer.alloc(32, 1), active: true }])
const standing = { url: 'https://server.example/mcp', sessionId: 'secret-at-the-server', revision: '2025-11-25' } as const

function sessionNamed(id: string, bindingKey = 'alice'): Session {
  return {
    id, bindingKey, ownerKey: bindingKey, endpoint: '', revision: '2025-11-25', clientInfo: '{}', clientCapabilities: '{}', createdAtMs: 1, lastUsedAtMs: 1,
    initialized: true, logLevel: '', subscriptions: {}, tasks: {}, holds: [], atServers: {},
  }
}

describe('a session at a server that is kept', () => {
  it('is found again by whoever has the session and the key ring', () => {
    const data = sessionNamed('s')
    expect(standingOf(keyring, data, 'up')).toBeUndefined()
    expect(keepStanding(keyring, data, 'up', standing)).toBe(true)
    const stored: Session = JSON.parse(JSON.stringify(data))
    expect(standingOf(keyring, stored, 'up')).toEqual(standing)
    expect(keepStanding(keyring, data, 'up', standing)).toBe(false)
    expect(keepStanding(keyring, data, 'up', undefined)).toBe(true)
    expect(data.atServers).toEqual({})
  })

  it('is not to be read in the store', () => {
    const data = sessionNamed('s')
    keepStanding(keyring, data, 'up', standing)
    expect(JSON.stringify(data)).not.toMatch(/secret-at-the-server|server\.example/)
  })

  it('opens nothing from the row of another session, of another owner, at another server, or with another ring', () => {
    const data = sessionNamed('s')
    keepStanding(keyring, data, 'up', standing)
    const { atServers } = data
    expect(standingOf(keyring, { ...sessionNamed('other'), atServers }, 'up')).toBeUndefined()
    expect(standingOf(keyring, { ...sessionNamed('s', 'bob'), atServers }, 'up')).toBeUndefined()
    expect(standingOf(keyring, { ...data, atServers: { other: atServers['up'] ?? '' } }, 'other')).toBeUndefined()
    expect(standingOf(createKeyring([{ secret: Buffer.alloc(32, 2), active: true }]), data, 'up')).toBeUndefined()
    expect(standingOf(keyring, { ...data, atServers: { up: 'nonsense' } }, 'up')).toBeUndefined()
  })
})
