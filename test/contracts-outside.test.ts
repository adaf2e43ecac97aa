import { createSpawner } from '../src/adapters/child-process/spawner.ts'
import { createEgress } from '../src/adapters/undici/egress.ts'
import { testEgress } from './contracts/egress.contract.ts'
import { testPeerLink } from './contracts/peer-link.contract.ts'
import { testSpawner } from './contracts/spawner.contract.ts'
import { openReplica } from './peer-rig.ts'

testEgress('undici', () => createEgress({ env: {} }))

testSpawner('node:child_process', async () => {
  const spawner = createSpawner()
  return { spawner, close: () => spawner.close() }
})

for (const overUnix of [false, true]) {
  testPeerLink(`TLS over ${overUnix ? 'unix sockets' : 'TCP'}`, async () => {
    const addresses = new Map<string, string>()
    const [near, far] = await Promise.all([openReplica(addresses, { overUnix }), openReplica(addresses, { overUnix })])
    const links = { near, far }
    return { near, far, kill: (which) => links[which].close(), close: async () => void (await Promise.all([near.close(), far.close()])) }
  })
}
