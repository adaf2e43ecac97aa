import { createSpawner } from '../src/adapters/child-process/spawner.ts'
import { createEgress } from '../src/adapters/undici/egress.ts'
import { testEgress } from './contracts/egress.contract.ts'
import { testSpawner } from './contracts/spawner.contract.ts'

testEgress('undici', () => createEgress({ env: {} }))

testSpawner('node:child_process', async () => {
  const spawner = createSpawner()
  return { spawner, close: () => spawner.close() }
})
