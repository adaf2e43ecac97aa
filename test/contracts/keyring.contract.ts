/** What every Keyring must do. */
import { describe, expect, it } from 'vitest'
import type { HandlePurpose, Keyring } from '../../src/core/auth/keyring.ts'

const PURPOSES: readonly HandlePurpose[] = ['session', 'cursor', 'task', 'request_state', 'stream']
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** `open` gives independent key rings: nothing that one sealed opens at another. */
export function testKeyring(name: string, open: () => Keyring): void {
  describe(`Keyring contract: ${name}`, () => {
    it.each(PURPOSES)('opens what it sealed as %s, whatever the text', (purpose) => {
      const keyring = open()
      for (const plain of ['', 'a', '{"ü":"\u{1f600}\u2028"}', 'x'.repeat(10_000)]) {
        const handle = keyring.seal(purpose, 'tenant|issuer|subject', plain)
        expect(handle).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(keyring.open(purpose, 'tenant|issuer|subject', handle)).toBe(plain)
      }
    })

    it('opens nothing for another purpose or another owner', () => {
      const keyring = open()
      for (const purpose of PURPOSES) {
        const handle = keyring.seal(purpose, 'alice', 'text')
        for (const other of PURPOSES) expect(keyring.open(other, 'alice', handle)).toBe(other === purpose ? 'text' : undefined)
        for (const owner of ['bob', '', 'alice\0', 'Alice']) expect(keyring.open(purpose, owner, handle)).toBeUndefined()
      }
    })

    it('opens nothing that was changed in any one character', () => {
      const keyring = open()
      for (const purpose of ['session', 'task'] as const) {
        const handle = keyring.seal(purpose, 'alice', 'some text')
        for (let at = 0; at < handle.length; at++) {
          const other = ALPHABET.charAt((ALPHABET.indexOf(handle.charAt(at)) + 1) % ALPHABET.length)
          const changed = handle.slice(0, at) + other + handle.slice(at + 1)
          expect(keyring.open(purpose, 'alice', changed), `character ${at}`).toBeUndefined()
        }
      }
    })

    it('opens nothing that was shortened, lengthened or spelled otherwise', () => {
      const keyring = open()
      const handle = keyring.seal('session', 'alice', 'some text')
      for (let length = 0; length < handle.length; length++) expect(keyring.open('session', 'alice', handle.slice(0, length))).toBeUndefined()
      for (const spelled of [`${handle}A`, `${handle}=`, ` ${handle}`, `${handle}\n`, handle.slice(0, 9) + '!' + handle.slice(9)]) {
        expect(keyring.open('session', 'alice', spelled)).toBeUndefined()
      }
    })

    it('has one spelling for each handle, so that one use is one use', () => {
      const keyring = open()
      for (const plain of ['', 'a', 'ab', 'abc']) {
        const handle = keyring.seal('request_state', 'alice', plain)
        const opening = [...ALPHABET].filter((last) => keyring.open('request_state', 'alice', handle.slice(0, -1) + last) !== undefined)
        expect(opening).toEqual([handle.slice(-1)])
      }
    })

    it('has secrets for one use each, which only the same key ring has', () => {
      const [keyring, other] = [open(), open()]
      const { keyId, secret } = keyring.secret('a')
      expect(secret).toHaveLength(32)
      expect(keyring.secret('a')).toEqual({ keyId, secret })
      expect(keyring.secretOf(keyId, 'a')).toEqual(secret)
      expect(keyring.secretOf(keyId, 'b')).not.toEqual(secret)
      expect(keyring.secretOf(other.secret('a').keyId, 'a')).toBeUndefined()
      expect(keyring.secretOf('', 'a')).toBeUndefined()
      expect(other.secret('a').secret).not.toEqual(secret)
    })

    it('opens nothing of another key ring, and no garbage', () => {
      const keyring = open()
      const foreign = open().seal('session', 'alice', 'text')
      for (const handle of [foreign, '', 'AQ', 'undefined', '../../etc/passwd', '\u0000', 'é'.repeat(80), 'A'.repeat(100_000)]) {
        expect(keyring.open('session', 'alice', handle)).toBeUndefined()
      }
    })

    it('gives a new handle each time, except for tasks', () => {
      const keyring = open()
      for (const purpose of PURPOSES) {
        const handles = new Set(Array.from({ length: 20 }, () => keyring.seal(purpose, 'alice', 'text')))
        expect(handles.size, purpose).toBe(purpose === 'task' ? 1 : 20)
      }
    })

    it('gives different tasks and different owners different handles', () => {
      const keyring = open()
      const handles = [
        keyring.seal('task', 'alice', 'one'),
        keyring.seal('task', 'alice', 'two'),
        keyring.seal('task', 'bob', 'one'),
        keyring.seal('task', 'aliceo', 'ne'),
      ]
      expect(new Set(handles.map((handle) => handle.slice(0, 24))).size).toBe(handles.length)
    })

    it('shows neither text nor owner in the handle', () => {
      const handle = open().seal('session', 'alice@example.com', 'a secret text')
      const bytes = Buffer.from(handle, 'base64url').toString('latin1')
      expect(bytes).not.toContain('alice')
      expect(bytes).not.toContain('secret')
    })
  })
}
