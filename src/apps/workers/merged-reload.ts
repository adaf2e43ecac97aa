/** One report of a reload by all workers. */

import type { ReloadReport } from '../gateway/config-change.ts'

const WEIGHT: Readonly<Record<ReloadReport['outcome'], number>> = { refused: 2, changed: 1, unchanged: 0 }

/** What matters most: that one refused, else what changed; a worker that had followed the file by itself has nothing to tell. */
export function mergedReload(reports: readonly ReloadReport[]): ReloadReport | undefined {
  return reports.toSorted((left, right) => WEIGHT[right.outcome] - WEIGHT[left.outcome])[0]
}
