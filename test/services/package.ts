/** The run's package, packed as it is published, for a test file. */
import { expect } from 'vitest'
import { findService } from './service.ts'

export interface Package {
  readonly tarball: string
  /** Of the files in it. */
  readonly paths: readonly string[]
}

export async function findPackage(): Promise<Package> {
  const { tarball = '', paths = '' } = (await findService('package', expect.getState().testPath ?? '')) ?? {}
  return { tarball, paths: paths.split('\n') }
}
