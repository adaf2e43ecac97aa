/** `portolan/adapters/node`: the ports that Node.js and its packages stand behind. */

export { createSpawner } from '../../adapters/child-process/spawner.ts'
export { createSystemClock } from '../../adapters/node/clock.ts'
export { createKeyring } from '../../adapters/node/keyring.ts'
export { createSystemRandom } from '../../adapters/node/random.ts'
export { createEgress } from '../../adapters/undici/egress.ts'
