import { describe, expect, it } from 'vitest'
import { createKeyring } from '../../adapters/node/keyring.ts'
import type { Principal } from '../auth/principal.ts'
import { openState, openTask, sealState, sealTask } from './handles.ts'

const keyring = createKeyring([{ secret: Buffer.alloc(32, 1), active: true }])
const principal = (ownerKey: string, bindingKey = `${ownerKey}/client`): Principal => ({ ownerKey, bindingKey, label: ownerKey, scopes: new Set() })
const [alice, bob] = [principal('alice'), principal('bob')]

describe('a task id', () => {
  it('opens for its owner as what the upstream called it', () => {
    for (const taskId of ['t', '', 'ä"\\\n😀', 'x'.repeat(500)]) {
      expect(openTask(keyring, alice, sealTask(keyring, alice, 'u1', taskId))).toEqual({ upstreamId: 'u1', taskId, heldBy: '' })
    }
  })

  it('is the same everywhere, for every client of the owner', () => {
    const handle = sealTask(keyring, alice, 'u1', 't')
    expect(sealTask(keyring, principal('alice', 'other client'), 'u1', 't')).toBe(handle)
    expect(openTask(keyring, principal('alice', 'other client'), handle)).toEqual({ upstreamId: 'u1', taskId: 't', heldBy: '' })
    expect(sealTask(keyring, alice, 'u2', 't')).not.toBe(handle)
    expect(handle).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  it('names the replica whose child made it, at a virtual server too', () => {
    expect(openTask(keyring, alice, sealTask(keyring, alice, 'u1', 't', '', 'r1'))).toEqual({ upstreamId: 'u1', taskId: 't', heldBy: 'r1' })
    expect(openTask(keyring, alice, sealTask(keyring, alice, 'u1', 't', 'v', 'r1'), 'v')).toEqual({ upstreamId: 'u1', taskId: 't', heldBy: 'r1' })
    expect(openTask(keyring, alice, sealTask(keyring, alice, 'u1', 't', 'v', 'r1'))).toBeUndefined()
  })

  it.each(['', 'x', 'never-sealed-here'])('that nobody sealed opens as nothing: %j', (handle) => {
    expect(openTask(keyring, alice, handle)).toBeUndefined()
  })

  it('is nothing to others, and no other kind of handle is one', () => {
    expect(openTask(keyring, bob, sealTask(keyring, alice, 'u1', 't'))).toBeUndefined()
    expect(openTask(keyring, alice, keyring.seal('session', alice.ownerKey, '["u1","t"]'))).toBeUndefined()
    expect(openTask(keyring, alice, keyring.seal('task', alice.ownerKey, '["u1"]'))).toBeUndefined()
    expect(openTask(keyring, alice, keyring.seal('task', alice.ownerKey, '{}'))).toBeUndefined()
  })
})

describe('a request state', () => {
  const binding = { upstreamId: 'u1', method: 'tools/call', subject: 'a' }
  const handle = sealState(keyring, alice, binding, 'ä state', 1_000)

  it('opens for the retry of the same request by the same client', () => {
    expect(openState(keyring, alice, binding, handle, 999)).toEqual({ state: 'ä state', heldBy: '' })
    expect(openState(keyring, alice, binding, sealState(keyring, alice, binding, '', 1_000), 999)).toEqual({ state: '', heldBy: '' })
  })

  it('names the replica whose child made it', () => {
    expect(openState(keyring, alice, binding, sealState(keyring, alice, binding, 's', 1_000, 'r1'), 999)).toEqual({ state: 's', heldBy: 'r1' })
  })

  it.each([{ upstreamId: 'u2' }, { method: 'prompts/get' }, { subject: 'b' }])('does not open for another request: %j', (other) => {
    expect(openState(keyring, alice, { ...binding, ...other }, handle, 999)).toBeUndefined()
  })

  it('is nothing to others, to other clients of its owner, or where it was altered', () => {
    expect(openState(keyring, bob, binding, handle, 999)).toBeUndefined()
    expect(openState(keyring, principal('alice', 'other client'), binding, handle, 999)).toBeUndefined()
    const altered = `${handle.slice(0, 40)}${handle[40] === 'A' ? 'B' : 'A'}${handle.slice(41)}`
    expect(openState(keyring, alice, binding, altered, 999)).toBeUndefined()
    expect(openState(keyring, alice, binding, 'ä state', 999)).toBeUndefined()
  })

  it('is nothing once it has expired, nor where no expiry was sealed', () => {
    expect(openState(keyring, alice, binding, handle, 1_000)).toBeUndefined()
    const endless = keyring.seal('request_state', alice.bindingKey, JSON.stringify(['u1', 'tools/call', 'a', 'state']))
    expect(openState(keyring, alice, binding, endless, 0)).toBeUndefined()
  })
})
