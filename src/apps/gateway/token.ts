/**
 * Authentication by one static token, made at the first start. The file holds the token itself, mode 0600: a digest would
 * protect nothing, because the key ring lies beside it, and nobody could look the token up to configure a second client.
 */

import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Authentication, Authenticator } from '../../core/auth/authenticator.ts'
import type { Principal } from '../../core/auth/principal.ts'
import type { DataFolder } from './data-folder.ts'

export interface Token {
  readonly value: string
  /** Made just now: this is the time to show it. */
  readonly isNew: boolean
  /** Where it is kept. */
  readonly path: string
}

/** What `Authorization: Bearer` can carry (RFC 6750 §2.1), and long enough not to be guessed. */
const TOKEN = /^[A-Za-z0-9._~+/-]{32,512}=*$/

/** Reads the token, or makes one of 256 bits. Throws where the file holds something else. */
export function openToken(data: DataFolder): Token {
  const { text, isNew } = data.keep('token', () => `${randomBytes(32).toString('base64url')}\n`)
  const value = text.trim()
  const path = data.file('token')
  if (!TOKEN.test(value)) throw new TypeError(`${path} holds no token: remove the file, and the next start makes a new one.`)
  return { value, isNew, path }
}

function principal(subject: string): Principal {
  const ownerKey = JSON.stringify(['', 'portolan', subject])
  return { ownerKey, bindingKey: JSON.stringify(['', 'portolan', subject, '']), label: subject, scopes: new Set() }
}

const CHALLENGE = 'Bearer realm="portolan"'
/** RFC 6750 §3.1: no error code where the request brought nothing at all. */
const MISSING: Authentication = { ok: false, fault: { reason: 'missing', challenge: CHALLENGE } }
const INVALID: Authentication = {
  ok: false,
  fault: { reason: 'invalid', challenge: `${CHALLENGE}, error="invalid_token", error_description="The access token is not valid"` },
}
const SCHEME = 'bearer '

/** Whoever brings the token is the one principal; the parent of `portolan stdio` needs none. */
export function createTokenAuthenticator(token: string): Authenticator {
  const expected = Buffer.from(token, 'latin1')
  const accepted: Authentication = { ok: true, principal: principal('token') }
  const trusted: Authentication = { ok: true, principal: principal('local') }
  return {
    authenticate(presented) {
      if (presented.trusted) return trusted
      const header = presented.authorization
      if (header === undefined) return MISSING
      if (header.slice(0, SCHEME.length).toLowerCase() !== SCHEME) return INVALID
      const given = Buffer.from(header.slice(SCHEME.length).trim(), 'latin1')
      // The length is no secret; of equal lengths every byte is compared, so that time tells nothing.
      return given.length === expected.length && timingSafeEqual(given, expected) ? accepted : INVALID
    },
  }
}

/** Without a token everybody is let in. */
export function authenticatorOf(token: Pick<Token, 'value'> | undefined): Authenticator {
  return token === undefined ? createOpenAuthenticator() : createTokenAuthenticator(token.value)
}

export interface ReplaceableAuthenticator extends Authenticator {
  /** From the next request on. */
  use(next: Authenticator): void
}

/** One that a reload can exchange for another. */
export function createReplaceableAuthenticator(first: Authenticator): ReplaceableAuthenticator {
  let current = first
  return {
    authenticate: (presented) => current.authenticate(presented),
    use: (next) => void (current = next),
  }
}

/** Everybody is the same principal. Only for listeners that nobody else can reach. */
export function createOpenAuthenticator(): Authenticator {
  const accepted: Authentication = { ok: true, principal: principal('local') }
  return { authenticate: () => accepted }
}
