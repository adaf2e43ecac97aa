import { describe, expect, it } from 'vitest'
import { checkWorkerPlaces, ledgerNameOf, replicaPlaceOfWorker, takeWorkerPlace } from './worker-place.ts'

const place = (number: number) => ({ number, folder: '/data/workers', listen: { host: '127.0.0.1', port: 7_400 }, addresses: [] })
const shared = { directUrl: 'postgres://db/p', nats: undefined, peerListen: { host: '0.0.0.0', port: 7_401 }, peerAddress: 'tls://a:7401' }

describe('the place of a worker', () => {
  it('is read from the environment once, by a worker only', () => {
    const env = { PORTOLAN_WORKER: JSON.stringify(place(2)) }
    expect(takeWorkerPlace({ ...env }, false)).toBeUndefined()
    expect(takeWorkerPlace(env, true)).toEqual(place(2))
    expect(env).toEqual({})
    expect(takeWorkerPlace(env, true)).toBeUndefined()
  })

  it('has a unix socket for its peers where there is no database', () => {
    expect(replicaPlaceOfWorker(undefined, place(2))).toEqual({ directUrl: undefined, nats: undefined, peerListen: { socketPath: '/data/workers/peer-2.sock' }, peerAddress: undefined })
  })

  it('has the next port of the peer listener for each worker, where a port was said', () => {
    expect(replicaPlaceOfWorker(shared, place(1))).toEqual(shared)
    expect(replicaPlaceOfWorker(shared, place(3))).toMatchObject({ peerListen: { port: 7_403 }, peerAddress: 'tls://a:7403' })
    expect(replicaPlaceOfWorker({ ...shared, peerListen: { host: '::1', port: 0 }, peerAddress: 'tls://[::1]:80' }, place(2))).toMatchObject({ peerListen: { host: '::1', port: 0 }, peerAddress: 'tls://[::1]:81' })
    expect(replicaPlaceOfWorker({ ...shared, peerListen: { socketPath: '/run/p' }, peerAddress: 'unix:/run/p' }, place(2))).toMatchObject({ peerListen: { socketPath: '/run/p.2' }, peerAddress: 'unix:/run/p.2' })
    expect(replicaPlaceOfWorker({ ...shared, peerListen: undefined, peerAddress: undefined }, place(2))).toMatchObject({ peerListen: undefined, peerAddress: undefined })
  })

  it('is refused before any worker starts where there is no room for it', () => {
    expect(() => checkWorkerPlaces({ ...shared, peerListen: { host: '0.0.0.0', port: 65_530 } }, '/data/workers', 8)).toThrow(/--peer-listen: each worker takes the next port/)
    expect(() => checkWorkerPlaces(undefined, `/${'d'.repeat(100)}`, 2)).toThrow(/--data: .*too long for a unix socket\. Choose a data folder with a shorter path/)
    expect(() => checkWorkerPlaces(shared, '/data/workers', 8)).not.toThrow()
  })

  it('has a ledger of its own', () => {
    expect([undefined, place(1), place(2)].map(ledgerNameOf)).toEqual(['ledger.jsonl', 'ledger.jsonl', 'ledger-2.jsonl'])
  })
})
