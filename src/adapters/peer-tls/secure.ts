/**
 * TLS by the key ring: a pre-shared key in place of certificates (RFC 5489, RFC 7905), with ephemeral Diffie-Hellman, so that not even who
 * learns the key ring later can read what was recorded. The key is of the one replica that is asked: whoever is led to another one,
 * or back to itself, finds no common key. One cipher suite, one version: there is nothing to be talked down to.
 */
import { constants } from 'node:crypto'
import { connect, createServer } from 'node:tls'
import type { Server, TLSSocket } from 'node:tls'
import type { Keyring } from '../../core/auth/keyring.ts'
import type { PeerTarget } from './peer-address.ts'

/** TLS 1.2, because Node.js has pre-shared keys of one's own only there. No tickets: each connection proves itself anew. */
const TERMS = { ciphers: 'ECDHE-PSK-CHACHA20-POLY1305', minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET } as const

const useOf = (replicaId: string): string => `peer/${replicaId}`

/** One end of a connection. Its other end may have whatever key it was made with: one that leaked, too. */
export interface SecureEnd {
  readonly socket: TLSSocket
  /** Whether the key that it was made with is still in the ring. */
  isKeyKnown(): boolean
}

/** As somebody who is about to ask `replicaId`; `secureConnect` says that it is one, and holds the key ring. */
export function connectSecurely(keyring: Keyring, replicaId: string, target: PeerTarget): SecureEnd {
  const { keyId, secret } = keyring.secret(useOf(replicaId))
  // The key says who is there (RFC 4279 §2): no certificate is shown.
  const socket = connect({ ...target, ...TERMS, pskCallback: () => ({ psk: secret, identity: `${keyId}.${replicaId}` }), checkServerIdentity: () => undefined })
  return { socket, isKeyKnown: () => keyring.secretOf(keyId, useOf(replicaId)) !== undefined }
}

export interface SecureServerOptions {
  readonly keyring: Keyring
  readonly replicaId: string
  readonly handshakeMs: number
  /** Of somebody who holds the key ring. */
  readonly onAsker: (end: SecureEnd) => void
  /** Of anybody else. */
  readonly onForeign: (reason: string) => void
}

export function createSecureServer({ keyring, replicaId, handshakeMs, onAsker, onForeign }: SecureServerOptions): Server {
  const faults = new WeakMap<object, string>()
  const keyIds = new WeakMap<object, string>()
  const server = createServer({
    ...TERMS,
    handshakeTimeout: handshakeMs,
    pskCallback(socket, identity) {
      const [keyId = '', to] = [identity.slice(0, identity.indexOf('.')), identity.slice(identity.indexOf('.') + 1)]
      const secret = to === replicaId ? keyring.secretOf(keyId, useOf(replicaId)) : undefined
      if (secret === undefined) faults.set(socket, to === replicaId ? 'a key that is not in the key ring' : 'for another replica')
      else keyIds.set(socket, keyId)
      // What is returned in place of a key ends the handshake.
      return secret ?? null
    },
  })
  server.on('secureConnection', (socket) => {
    const keyId = keyIds.get(socket) ?? ''
    onAsker({ socket, isKeyKnown: () => keyring.secretOf(keyId, useOf(replicaId)) !== undefined })
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    socket.destroy()
    onForeign(faults.get(socket) ?? error.code ?? error.name)
  })
  return server
}
