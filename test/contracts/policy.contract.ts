/** What every Policy must do, whatever it decides. */
import { describe, expect, it } from 'vitest'
import type { Principal } from '../../src/core/auth/principal.ts'
import type { Policy } from '../../src/core/policy/policy.ts'

const principal = (subject: string): Principal => ({
  ownerKey: `tenant|issuer|${subject}`,
  bindingKey: `tenant|issuer|${subject}|client|`,
  label: subject,
  scopes: new Set(['mcp']),
})

export function testPolicy(name: string, open: () => Promise<Policy>): void {
  describe(`Policy contract: ${name}`, () => {
    it('puts the same principal into the same class', async () => {
      const policy = await open()
      expect(policy.classOf(principal('alice'))).toBe(policy.classOf(principal('alice')))
    })

    it('decides alike for principals of one class, since lists are shared by it', async () => {
      const policy = await open()
      const [alice, bob] = [principal('alice'), principal('bob')]
      if (policy.classOf(alice) !== policy.classOf(bob)) return
      for (const action of ['tools/call', 'prompts/get', 'resources/read', 'other'] as const) {
        const question = { upstreamId: 'up', action, subject: 'x' }
        expect(await policy.decide({ ...question, principal: alice })).toEqual(await policy.decide({ ...question, principal: bob }))
      }
    })
  })
}
