/** What every Credentials must do. */
import { describe, expect, it } from 'vitest'
import type { Credentials } from '../../src/core/vault/credentials.ts'

/** `open` gives credentials that know `Authorization: Bearer up-token` for upstream `up`, owner `alice`, and no other upstream. */
export function testCredentials(name: string, open: () => Promise<Credentials>): void {
  describe(`Credentials contract: ${name}`, () => {
    it('gives the one credential of the upstream', async () => {
      const credentials = await open()
      expect(await credentials.headersFor({ upstreamId: 'up', ownerKey: 'alice' })).toEqual([['authorization', 'Bearer up-token']])
    })

    it('gives none where the upstream has none', async () => {
      const credentials = await open()
      for (const upstreamId of ['other', '', '__proto__']) {
        expect(await credentials.headersFor({ upstreamId, ownerKey: 'alice' })).toEqual([])
      }
    })
  })
}
