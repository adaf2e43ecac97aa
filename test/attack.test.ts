/** What hostile clients and servers try: to learn, to forge, to fill the memory. */
import { describe, expect, it } from 'vitest'
import { startActor } from './fixtures/upstream/actor.ts'
import type { Act, Actor } from './fixtures/upstream/actor.ts'
import { http } from './fixtures/upstream/support.ts'
import { closeAfter, startRig } from './gateway-rig.ts'
import type { Rig, RigOptions } from './gateway-rig.ts'
import { codeOf, legacy } from './mcp-client.ts'

async function play(eras: readonly ('legacy' | 'modern')[], acts: Record<string, Act> = {}, options: RigOptions = {}): Promise<{ rig: Rig; actor: Actor }> {
  const actor = closeAfter(await startActor(eras, acts))
  return { actor, rig: await startRig({ servers: { actor: http(actor.url) }, ...options }) }
}

describe('a client that says much of itself', () => {
  const initialize = (rig: Rig, bytes: number) =>
    legacy(rig.port, '', 'initialize', {
      protocolVersion: '2025-11-25',
      capabilities: { experimental: { x: { y: 'x'.repeat(bytes) } } },
      clientInfo: { name: 'n', version: '1' },
    })

  it('has no session beyond 64 KiB of it', async () => {
    const { rig } = await play(['legacy'])
    expect(codeOf(await initialize(rig, 65_000))).toBe(0)
    const refused = await initialize(rig, 65_536)
    expect([refused.status, codeOf(refused), refused.headers['mcp-session-id']]).toEqual([200, -32_602, undefined])
    expect(rig.gateway.status().sessions).toBe(1)
  })
})
