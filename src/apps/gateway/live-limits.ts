/** The limits of the configuration in force, for whoever reads them at each use: a reload changes them for all at once. */

import { DEFAULT_LIMITS } from '../../core/gateway/snapshot.ts'
import type { Limits, SnapshotSource } from '../../core/gateway/snapshot.ts'

/** Always those of `source.current()`. To be read, not copied. */
export function liveLimits(source: SnapshotSource): Limits {
  const live = { ...DEFAULT_LIMITS }
  for (const name of Object.keys(live) as (keyof Limits)[]) {
    Object.defineProperty(live, name, { enumerable: true, get: () => source.current().limits[name] })
  }
  return live
}
