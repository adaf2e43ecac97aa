/** What tests start in place of the source, which starts in twice the processor time: the same, compiled for the run (test/services/compile.ts). */
import { join } from 'node:path'
import { expect } from 'vitest'
import { findService } from './services/service.ts'

const { folder = '' } = (await findService('compiled', expect.getState().testPath ?? '')) ?? {}

/** The script behind the command `portolan`. */
export const CLI_MAIN = join(folder, 'apps/cli/main.js')
/** The reference server by itself. */
export const REFERENCE_MAIN = join(folder, 'apps/reference-server/main.js')
