/** The run's throw-away NATS server, for a test file. Take a subject prefix of your own. */
import { expect } from 'vitest'
import { findService } from './service.ts'

/** Undefined where there is none: `const nats = await findNats()`, then `describe.skipIf(nats === undefined)`. */
export async function findNats(): Promise<{ readonly host: string; readonly port: number } | undefined> {
  const facts = await findService('nats', expect.getState().testPath ?? '')
  return facts === undefined ? undefined : { host: facts['host'] ?? '', port: Number(facts['port']) }
}
