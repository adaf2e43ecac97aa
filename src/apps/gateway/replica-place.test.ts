import { describe, expect, it } from 'vitest'
import { replicaPlaceOf } from './replica-place.ts'

const CREDS = `-----BEGIN NATS USER JWT-----
eyJ.a.b
------END NATS USER JWT------

************************* IMPORTANT *************************

-----BEGIN USER NKEY SEED-----
SU${'A'.repeat(56)}
------END USER NKEY SEED------

*************************************************************`
const DATABASE = 'postgres://u:hunter2@pooler:6432/p'

describe('how replicas reach each other', () => {
  it('need not be said: they share a database', () => {
    expect(replicaPlaceOf({}, '', {})).toBeUndefined()
    expect(replicaPlaceOf({}, DATABASE, {})).toEqual({ directUrl: DATABASE, nats: undefined, peerListen: undefined, peerAddress: undefined })
  })

  it('can be said by flags, or by the environment; flags win', () => {
    const env = {
      PORTOLAN_DATABASE_DIRECT_URL: 'env:DIRECT', DIRECT: 'postgres://u:hunter2@db/p', PORTOLAN_NATS_URL: 'tls://nats', PORTOLAN_NATS_CREDENTIALS: 'env:CREDS', CREDS: CREDS.replaceAll('\n', '\r\n'),
      PORTOLAN_PEER_LISTEN: '0.0.0.0:7401', PORTOLAN_PEER_ADDRESS: 'tls://a:1',
    }
    expect(replicaPlaceOf({}, DATABASE, env)).toEqual({
      directUrl: 'postgres://u:hunter2@db/p', nats: { servers: ['nats:4222'], tls: {}, credentials: CREDS }, peerListen: { host: '0.0.0.0', port: 7_401 }, peerAddress: 'tls://a:1',
    })
    expect(replicaPlaceOf({ peerListen: '[::1]:0', natsUrl: 'nats://b' }, DATABASE, env)).toMatchObject({ peerListen: { host: '::1', port: 0 }, nats: { servers: ['b:4222'] } })
    expect(replicaPlaceOf({ peerListen: 'unix:/run/p.sock' }, DATABASE, {})).toMatchObject({ peerListen: { socketPath: '/run/p.sock' } })
  })

  it.each([
    [{ natsUrl: 'nats://u:hunter2@a/x' }, DATABASE, /--nats-url: it is no URL of a NATS\. Give it as nats:/],
    [{ natsUrl: 'env:NATS' }, DATABASE, /--nats-url: the environment variable NATS is not set/],
    [{ natsCredentials: 'hunter2' }, DATABASE, /--nats-credentials: there is no --nats-url/],
    [{ natsUrl: 'nats://u:hunter2@a,u:hunter2@b' }, DATABASE, /--nats-url: .* several hosts divided by commas behind one login/],
    [{ natsUrl: 'nats://a', natsCredentials: 'hunter2' }, DATABASE, /--nats-credentials: it holds no credentials of a NATS\. Give env:NAME or file:/],
    [{ natsUrl: 'nats://a', natsCredentials: CREDS.replace(/SU\w+/, 'hunter2') }, DATABASE, /--nats-credentials: it holds no credentials of a NATS/],
    [{ natsUrl: 'nats://a', natsCredentials: CREDS.replace('eyJ.a.b\n', '') }, DATABASE, /--nats-credentials: it holds no credentials of a NATS/],
    [{ databaseDirectUrl: 'postgres://u:hunter2@a:1,b:1/x?target_session_attrs=standby' }, DATABASE, /--database-direct-url: its target_session_attrs asks for a server that only reads/],
    [{ databaseDirectUrl: 'mysql://hunter2@a' }, DATABASE, /--database-direct-url: it is no URL of a PostgreSQL database/],
    [{ peerListen: '7401' }, DATABASE, /--peer-listen: 7401 is no address to listen on\. Give it as host:port/],
    [{ peerListen: 'a:77777' }, DATABASE, /--peer-listen/],
    [{ peerAddress: 'https://a' }, DATABASE, /--peer-address: https:\/\/a is no address of a peer listener\. Give it as tls:/],
    [{ peerListen: 'a:1' }, '', /--peer-listen: it is for replicas that share a database, and there is none\. Set --database-url too/],
    [{ natsUrl: 'nats://u:hunter2@a' }, '', /--nats-url: it is for replicas that share a database/],
  ])('is refused with what to do, and without a secret: %j', (flags, database, message) => {
    expect(() => replicaPlaceOf(flags, database, {})).toThrow(message)
    expect(() => replicaPlaceOf(flags, database, {})).toThrow(/^(?![^]*hunter2)/)
  })
})
