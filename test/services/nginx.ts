/** Whether this machine has nginx, for a test file. */
import { expect } from 'vitest'
import { findService } from './service.ts'

/** Undefined where there is none: `const nginx = await findNginx()`, then `describe.skipIf(nginx === undefined)`. Started by start-nginx.ts. */
export async function findNginx(): Promise<object | undefined> {
  return findService('nginx', expect.getState().testPath ?? '')
}
